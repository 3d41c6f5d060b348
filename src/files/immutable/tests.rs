use super::*;

#[test]
fn what_tools_write_is_recognised() {
    for name in [
        // Django, django-compressor
        "base.55e7cbb9ba48.css",
        "admin.css.55e7cbb9ba48.map",
        "manual.55e7cbb9ba48.pdf",
        "my-page.v2.55e7cbb9ba48.html",
        "output.4b1f2c9e8d7a.js",
        // webpack, Create React App, Next.js, Gatsby
        "main.8f3a2b1c.js",
        "8f3a2b1c9d.chunk.js",
        "2.8f3a2b1c.chunk.css",
        "main.8f3a2b1c9d0e4f5a6b7c.bundle.js",
        "logo.8f3a2b1c9d0e4f5a6b7c.png",
        "8f3a2b1c9d0e4f5a6b7c.woff2",
        "webpack-4f2e1a9c8b7d6e50.js",
        // Vite, Rollup, Nuxt, SvelteKit, Astro
        "index-BkX3z12_.js",
        "index-C7qDfR2x.css",
        "logo-C7qDfR2x.svg",
        "C7qDfR2x.js",
        "start.C7qDfR2x.js",
        "index-4b1f2c9e.js",
        // esbuild, Angular
        "chunk-XYZ2ABCD.js",
        "chunk-5INURTSO.js",
        "styles-5IN4RT2O.css",
        // Parcel
        "index.4b1f2c9e.js",
        "logo.4b1f2c9e.png",
        // Rails, Phoenix, Hugo
        "application-908e25f4bf641868d8683022a5b62f54.css",
        "logo-908e25f4bf641868d8683022a5b62f54.png",
        "main.min.b5a9ab1c74f9c8d2e7a1f0c35b6d4e8f9a0b1c2d3e4f5a6b7c8d9e0f1a2b3c4d.css",
    ] {
        assert!(carries_hash(name), "{name}");
    }
}

#[test]
fn words_dates_versions_and_ids_are_no_hashes() {
    for name in [
        "",
        ".",
        ".js",
        "js",
        "jquery-migrate.js",
        "my-settings.js",
        "report.20240101.pdf",
        "report-20240101.js",
        "report.20240101a.js",
        "style.5dec2023.css",
        "style.dec12023.css",
        "style-feb20242.css",
        "backup.20240101b3c4.css",
        "bootstrap-5.3.2.min.js",
        "photo-IMG_2024.jpg",
        "photo-DSC_0001.jpg",
        "P1000123.jpg",
        "feature-Version2.js",
        "facade.feedbead.txt",
        "facade.feedbead.js",
        "deadbeef.js",
        "plugin-facade3d.js",
        "plugin-decode2a.js",
        "theme-cafe2024.css",
        "segment-00001a2b.js",
        "font-OpenSans.woff2",
        "font-SourceSansPro.woff2",
        "Roboto-Regular.woff2",
        "materialdesignicons-webfont.woff2",
        "case-iPhone6S.js",
        "docs-B2BPages.js",
        "film-C4dModel.js",
        "case-iPhone12.js",
        "docs-HTML5Doc.js",
        "lib-jQueryUI.js",
        "chart-Win32API.js",
        "chart-WIN32API.js",
        "guide-VERSION2.css",
        "chunk-VERSION2.js",
        "chunk-VERSIONS.js",
        "guide-B2BvsB2C.js",
        "guide-MP3toMP4.js",
        "page-foo-bar-Abc1.js",
        "app-es2015-x.js",
        "lib-x86_64v2.js",
        "lib-amd64_v2.js",
        "v1_2_3_4.js",
        "runtime.js",
        "main.js",
        "i18n.js",
        "normalize.css",
        "angular-1.8.3.min.js",
        "image-1024x768.jpg",
        "image-e1620000000000.jpg",
        "2024-05-06.jpg",
        "1714990000000.js",
        // The script's hash, not the map's.
        "index-C7qDfR2x.js.map",
        "main.8f3a2b1c.js.map",
        "main.8f3a2b1c.js.LICENSE.txt",
        // Ids: of users, uploads, orders, products.
        "550e8400-e29b-41d4-a716-44665544a0b0.jpg",
        "550e8400-e29b-41d4-a716-44665544a0b0.js",
        "avatar.550e8400e29b41d4a71644665544a0b0.png",
        "avatar-550e8400e29b41d4a71644665544a0b0.png",
        "550e8400e29b41d4a71644665544a0b0.css",
        "507f1f77bcf86cd799439011.jpg",
        "user-507f1f77bcf86cd799439011.jpg",
        "user.507f1f77bcf86cd799439011.jpg",
        "908e25f4bf641868d8683022a5b62f54.png",
        "photo-8f3a2b1c.jpg",
        "invoice-8f3a2b1c.pdf",
        "invoice.8f3a2b1c.pdf",
        "product-A2B34C5D.jpg",
        "avatar-V1StGXR8.png",
        "C7qDfR2x.png",
        "photo_AbC12xY.jpg",
        ".8f3a2b1c.js",
        "-8f3a2b1c.js",
        "main.8F3A2B1C.js",
        "héé.8f3a2b1é.js",
        "é-C7qDfR2é.js",
    ] {
        assert!(!carries_hash(name), "{name}");
    }
}

/// xorshift64*: the same "random" hashes each time.
struct Random(u64);

impl Random {
    fn text(&mut self, alphabet: &[u8], length: usize) -> String {
        (0..length)
            .map(|_| {
                self.0 ^= self.0 >> 12;
                self.0 ^= self.0 << 25;
                self.0 ^= self.0 >> 27;
                let top = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
                char::from(alphabet[usize::try_from(top).unwrap() % alphabet.len()])
            })
            .collect()
    }
}

#[test]
fn how_many_hashes_are_recognised() {
    let hex = b"0123456789abcdef".as_slice();
    let base32 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".as_slice();
    let base64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".as_slice();
    const TRIALS: usize = 20_000;
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    // What comes before and behind, the hash, and the least and most that is recognised, in
    // per mille. A change of the rule shows here.
    for (kind, before, alphabet, length, behind, least, most) in [
        ("Django", "base.", hex, 12, ".css", 930, 950),
        ("webpack 8", "main.", hex, 8, ".js", 880, 900),
        ("webpack 20", "main.", hex, 20, ".js", 900, 920),
        ("Parcel picture", "logo.", hex, 8, ".png", 880, 900),
        ("md5", "app-", hex, 32, ".css", 945, 965),
        ("sha256", "app-", hex, 64, ".css", 999, 1000),
        ("Vite", "index-", base64, 8, ".js", 470, 500),
        ("Vite picture", "logo-", base64, 8, ".png", 10, 30),
        ("Vite picture from B", "logo-B", base64, 7, ".png", 420, 445),
        ("esbuild chunk", "chunk-", base32, 8, ".js", 740, 770),
        ("esbuild entry", "main-", base32, 8, ".js", 340, 365),
    ] {
        let recognised = (0..TRIALS)
            .filter(|_| {
                let hash = random.text(alphabet, length);
                carries_hash(&format!("{before}{hash}{behind}"))
            })
            .count();
        let share = recognised * 1000 / TRIALS;
        println!("{kind}: {share} of 1000");
        assert!((least..=most).contains(&share), "{kind}: {share} of 1000");
    }
}

#[test]
fn the_operator_has_the_last_word() {
    let named = Immutable::Named(Regex::new(r"^assets/.*\.[0-9a-f]{8,}\.").unwrap());
    assert!(named.takes(b"assets/x.12345678.js"));
    assert!(!named.takes(b"other/x.12345678.js"));
    assert!(!Immutable::Never.takes(b"main.8f3a2b1c.js"));
    assert!(Immutable::Recognised.takes(b"a/b/main.8f3a2b1c.js"));
    assert!(!Immutable::Recognised.takes(b"main.8f3a2b1c.js/x.js"));
    assert!(!Immutable::Recognised.takes(b"\xff.8f3a2b1c.js"));
    assert!(!Immutable::Recognised.takes(b""));
}

#[test]
fn directories_that_hold_nothing_else_are_taken() {
    for path in [
        "_astro/hoisted.js",
        "blog/_astro/a/b.css",
        "_app/immutable/nodes/0.js",
    ] {
        assert!(Immutable::Recognised.takes(path.as_bytes()), "{path}");
    }
    for path in [
        "_astro",
        "x_astro/a.js",
        "_app/version.json",
        "immutable/a.js",
        "_app/a/immutable/b.js",
    ] {
        assert!(!Immutable::Recognised.takes(path.as_bytes()), "{path}");
    }
}
