use super::*;
use Format::{Avif, Bmp, Gif, Jpeg, Png, Tiff, WebP};

/// Formats with a `!` behind one that is made in any case.
fn told(wish: &Wish, facts: &Facts) -> String {
    let recipes = wish.recipes(facts);
    let told = recipes.iter().map(|recipe| {
        let always = if recipe.always { "!" } else { "" };
        format!("{}{always}", recipe.format.name())
    });
    told.collect::<Vec<_>>().join(" ")
}

fn facts(format: Format, alpha: bool, frames: Frames) -> Facts {
    Facts {
        format,
        alpha,
        frames,
        ..photo(4000, 3000)
    }
}

#[test]
fn the_last_format_is_one_that_the_client_shows() {
    let new = policy()
        .wish(b"/", None, &fields(&[("accept", CHROMIUM)]))
        .unwrap();
    let webp = policy()
        .wish(b"/", None, &fields(&[("accept", "image/webp")]))
        .unwrap();
    let old = policy()
        .wish(b"/", None, &fields(&[("accept", "*/*")]))
        .unwrap();
    for (format, alpha, expected) in [
        (Jpeg, false, ["avif webp jpeg", "webp jpeg", "jpeg"]),
        (Png, false, ["avif webp png", "webp png", "png"]),
        (Png, true, ["avif webp png", "webp png", "png"]),
        (Gif, true, ["avif webp png", "webp png", "png"]),
        (Bmp, false, ["avif webp jpeg", "webp jpeg", "jpeg"]),
        (Bmp, true, ["avif webp png", "webp png", "png"]),
        // No browser but Safari shows those.
        (Tiff, false, ["avif webp jpeg!", "webp jpeg!", "jpeg!"]),
        (Tiff, true, ["avif webp png!", "webp png!", "png!"]),
        (WebP, false, ["avif webp", "webp", "jpeg!"]),
        (WebP, true, ["avif webp", "webp", "png!"]),
        (Avif, false, ["webp avif", "webp jpeg!", "jpeg!"]),
        (Avif, true, ["webp avif", "webp png!", "png!"]),
    ] {
        let facts = facts(format, alpha, Frames::One);
        let told = [&new, &webp, &old].map(|wish| told(wish, &facts));
        assert_eq!(told, expected, "{format:?} {alpha}");
    }
}

#[test]
fn an_animation_stays_one_or_is_left_alone() {
    let new = wish("w=640");
    let old = policy()
        .wish(b"/", Some(b"w=640"), &HeaderMap::new())
        .unwrap();
    for (format, of_new, of_old, named) in [
        (Gif, "webp", "", "webp!"),
        (Png, "webp", "", "webp!"),
        (Avif, "webp", "", "webp!"),
        (WebP, "webp", "", "webp"),
    ] {
        let facts = facts(format, true, Frames::Many);
        assert_eq!(told(&new, &facts), of_new, "{format:?}");
        assert_eq!(told(&old, &facts), of_old, "{format:?}");
        assert_eq!(
            told(&wish("w=640&format=webp"), &facts),
            named,
            "{format:?}"
        );
        for other in ["avif", "jpeg", "png"] {
            let wish = wish(&format!("w=640&format={other}"));
            assert_eq!(told(&wish, &facts), "", "{format:?} as {other}");
        }
        assert_eq!(new.smaller(&facts, &policy()).is_empty(), of_new.is_empty());
        assert!(old.smaller(&facts, &policy()).is_empty());
    }
    let sizes_only = Policy {
        formats: Vec::new(),
        ..policy()
    };
    let new = sizes_only
        .wish(b"/", None, &fields(&[("accept", CHROMIUM)]))
        .unwrap();
    assert_eq!(told(&new, &facts(WebP, true, Frames::Many)), "webp");
    assert_eq!(told(&new, &facts(Gif, true, Frames::Many)), "");
}

#[test]
fn a_format_by_name_is_the_only_one() {
    let one = |format, alpha| facts(format, alpha, Frames::One);
    for (query, facts, expected) in [
        ("format=avif", one(Jpeg, false), "avif!"),
        ("format=webp", one(WebP, false), "webp"),
        ("format=jpeg", one(Png, true), "jpeg!"),
        ("format=jpeg", one(Jpeg, false), "jpeg"),
        ("format=png", one(Jpeg, false), "png!"),
    ] {
        assert_eq!(told(&wish(query), &facts), expected, "{query} {facts:?}");
    }
}

#[test]
fn without_formats_sizes_are_all() {
    let policy = Policy {
        formats: Vec::new(),
        ..policy()
    };
    let wish = policy
        .wish(b"/", None, &fields(&[("accept", CHROMIUM)]))
        .unwrap();
    for (format, expected) in [(Jpeg, "jpeg"), (Png, "png"), (WebP, "webp"), (Avif, "avif")] {
        let facts = facts(format, false, Frames::One);
        assert_eq!(told(&wish, &facts), expected);
    }
}

#[test]
fn placeholders_are_for_any_browser() {
    let wish = wish("placeholder");
    assert_eq!(told(&wish, &facts(Jpeg, false, Frames::One)), "webp jpeg!");
    assert_eq!(told(&wish, &facts(Avif, true, Frames::One)), "webp png!");
    assert_eq!(told(&wish, &facts(Gif, true, Frames::Many)), "webp!");
    let policy = Policy {
        formats: Vec::new(),
        ..policy()
    };
    let wish = policy
        .wish(b"/", Some(b"placeholder"), &HeaderMap::new())
        .unwrap();
    assert_eq!(told(&wish, &facts(Jpeg, false, Frames::One)), "jpeg!");
}

#[test]
fn formats_that_do_not_hold_a_size_are_left_out() {
    let of = |format, width, height| Facts {
        format,
        ..photo(width, height)
    };
    for (facts, expected) in [
        (of(Jpeg, 20_000, 400), "avif jpeg"),
        // More than AVIF is made of.
        (of(Jpeg, 20_000, 1_900), "jpeg"),
        (of(Png, 16_384, 500), "avif png"),
        (of(Png, 16_383, 500), "avif webp png"),
        (of(Png, 65_536, 500), "png"),
        (of(Tiff, 65_536, 500), ""),
        // What is made smaller has room again.
        (of(Png, 2_000, 16_384), "avif webp png"),
    ] {
        assert_eq!(told(&wish("h=1920"), &facts), expected, "{facts:?}");
    }
}

/// What an original of 500 x 400 makes of sizes that are larger, and such.
#[test]
fn what_changes_nothing_is_left_out() {
    let box_of = |query: &str, facts: &Facts| {
        let recipe = first(query, facts);
        let side = |side: Option<u32>| side.map_or("-".to_string(), |side| side.to_string());
        let fit = recipe.fit.name();
        format!("{}x{} {fit}", side(recipe.width), side(recipe.height))
    };
    for (query, expected) in [
        ("", "-x- inside"),
        ("w=500", "-x- inside"),
        ("w=640", "-x- inside"),
        ("w=1920&h=1920", "-x- inside"),
        ("w=320", "320x- inside"),
        ("w=320&h=320", "320x- inside"),
        ("w=640&h=300", "-x300 inside"),
        // A box of the original's shape, or one side of a box, cuts nothing off.
        ("w=150&h=150&fit=cover", "150x150 cover"),
        ("w=640&h=640&fit=cover", "400x400 cover"),
        ("w=1920&h=1920&fit=cover", "400x400 cover"),
        ("w=640&fit=cover", "-x- inside"),
        ("w=640&h=640&fit=contain", "640x640 contain"),
        ("w=1280&h=1920&fit=contain", "1280x1920 contain"),
    ] {
        assert_eq!(box_of(query, &photo(500, 400)), expected, "{query}");
    }
    for (query, expected) in [
        ("", "-x1080 inside"),
        ("w=300&h=300&fit=cover", "300x- inside"),
        ("w=300&h=300&fit=contain", "300x- inside"),
    ] {
        assert_eq!(box_of(query, &photo(3000, 3000)), expected, "{query}");
    }
    // Turned by its orientation.
    let portrait = Facts {
        orientation: Orientation::of(6),
        ..photo(4000, 3000)
    };
    assert_eq!(box_of("w=640&h=640", &portrait), "-x640 inside");
}

#[test]
fn colours_and_qualities_count_where_they_show() {
    let coloured = Policy {
        background: [1, 2, 3],
        ..policy()
    };
    let recipes = |query: &str, alpha| {
        let wish = coloured
            .wish(b"/", Some(query.as_bytes()), &HeaderMap::new())
            .unwrap();
        let facts = facts(if alpha { Png } else { Jpeg }, alpha, Frames::One);
        wish.recipes(&facts)[0]
    };
    assert_eq!(recipes("format=jpeg", true).background, [1, 2, 3]);
    assert_eq!(recipes("format=jpeg", false).background, [255; 3]);
    assert_eq!(recipes("format=webp", true).background, [255; 3]);
    let contained = recipes("format=webp&w=640&h=640&fit=contain", false);
    assert_eq!(contained.background, [1, 2, 3]);
    assert_eq!(recipes("format=png&q=30", true).quality, 100);
    assert_eq!(recipes("format=jpeg&q=30", true).quality, 30);
}

#[test]
fn other_sizes_may_stand_for_one_that_is_not_there() {
    let told = |query: &str, facts: &Facts| {
        let others = wish(query).smaller(facts, &policy());
        let told = others.iter().filter(|recipe| recipe.format == Jpeg);
        let side = |side: Option<u32>| side.map_or("-".to_string(), |side| side.to_string());
        let told = told.map(|recipe| format!("{}x{}", side(recipe.width), side(recipe.height)));
        told.collect::<Vec<_>>().join(" ")
    };
    let photo = photo(4000, 3000);
    let around = "640x- 960x- 1280x- -x1080 1920x- 320x- 300x- 150x-";
    assert_eq!(told("w=600", &photo), around);
    assert_eq!(
        told("h=450", &photo),
        format!("960x- 1280x- -x1080 1920x- 640x- 600x- 320x- 300x- 150x-")
    );
    assert_eq!(
        told("", &photo),
        "1920x- 1280x- 960x- 640x- 600x- 320x- 300x- 150x-"
    );
    assert_eq!(
        told("w=600&h=600&fit=cover", &photo),
        "640x640 960x960 1280x1280 1920x1920 320x320 300x300 150x150"
    );
    assert_eq!(told("w=600&h=300&fit=cover", &photo), "");
    assert_eq!(told("w=600&blur", &photo), "");
    let first: Vec<_> = wish("w=600").smaller(&photo, &policy());
    let formats: Vec<_> = first.iter().take(3).map(|recipe| recipe.format).collect();
    assert_eq!(formats, [Avif, WebP, Jpeg]);
    // What is no larger than the sizes there are is itself in all of them.
    assert_eq!(told("w=600", &super::photo(310, 200)), "300x- 150x-");
}
