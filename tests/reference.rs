//! `conf/`: what an operator copies is right, and the reference of all keys is that of the code.

use parvis::config::markdown;
use parvis::edge::settings::Settings;
use std::path::Path;

#[path = "configuration/certificate.rs"]
mod certificate;
mod support;

use support::mmdb;

const HEAD: &str = "\
# Every key of the configuration

Generated from the definitions in the code. After changing one:
`UPDATE_REFERENCE=1 cargo test --test reference`.

Every file has the same grammar. `include = [\"sites/*.toml\"]` at the top level pulls in more files
(globs, relative to the file that names them, sorted by name). Durations are text: `\"250ms\"`, `\"5s\"`,
`\"1m\"`, `\"1h\"`, `\"30d\"`. Sizes are text: `\"800\"`, `\"64KiB\"`, `\"10MiB\"`, `\"1GB\"`. Any string may be
`{ env = \"NAME\" }` (with `default = \"...\"` for when it is not set) or `{ file = \"/run/secrets/x\" }`.
Relative paths are relative to the file that holds them.
";

#[test]
fn the_reference_is_that_of_the_code() {
    let mut page = HEAD.to_string();
    for (heading, table) in Settings::tables() {
        markdown(&mut page, heading, &table);
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("conf/REFERENCE.md");
    if std::env::var_os("UPDATE_REFERENCE").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == page,
        "conf/REFERENCE.md is stale: run `UPDATE_REFERENCE=1 cargo test --test reference`"
    );
}

#[test]
fn the_example_that_operators_copy_is_right() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("conf/parvis.toml");
    let loaded = parvis::edge::load(&path, None);
    let edge = loaded
        .result
        .unwrap_or_else(|errors| panic!("{}", errors.render(&loaded.sources)));
    assert_eq!(edge.sites.len(), 1);
}

/// `key = value`, as opposed to a sentence.
fn is_assignment(text: &str) -> bool {
    text.split_once(" = ")
        .is_some_and(|(key, _)| !key.contains(' '))
}

/// What stands commented out in the examples must be right too: people uncomment it.
#[test]
fn the_commented_lines_of_the_example_are_right() {
    let folder = std::env::temp_dir().join(format!("parvis-reference-{}", std::process::id()));
    for name in ["sites", "static", "media", "dist", "docs"] {
        std::fs::create_dir_all(folder.join(name)).unwrap();
    }
    let everywhere = "0.0.0.0/1";
    for (kind, record) in [
        ("GeoLite2-Country", mmdb::country("FR")),
        ("GeoLite2-City", mmdb::city("FR", "Bretagne", "Brest")),
        ("GeoLite2-ASN", mmdb::network(64_500)),
    ] {
        let database = mmdb::Written::new(kind).with(everywhere, record);
        std::fs::write(folder.join(format!("{kind}.mmdb")), database.bytes()).unwrap();
    }
    let made = certificate::made(&["example.org", "www.example.org"], 365);
    made.write(&folder.join("cert.pem"), &folder.join("key.pem"));
    std::fs::write(folder.join("clients.pem"), &made.certificate).unwrap();
    let secret = "0123456789abcdef".repeat(8);
    certificate::private(&folder.join("tickets.key"), &secret);
    for name in ["parvis.toml", "sites/example.toml"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("conf")
            .join(name);
        let text = std::fs::read_to_string(path).unwrap();
        let uncommented: Vec<String> = text
            .lines()
            .map(|line| match line.trim_start().strip_prefix("# ") {
                Some(code) if code.starts_with(['[', '{']) || is_assignment(code) => {
                    code.to_string()
                }
                _ => line.to_string(),
            })
            .collect();
        let text = uncommented
            .join("\n")
            .replace("/srv/example", folder.to_str().unwrap())
            .replace("/var/lib/GeoIP", folder.to_str().unwrap())
            .replace("/etc/parvis", folder.to_str().unwrap())
            .replace("{ env = \"PARVIS_ADMIN_TOKEN\" }", "\"x\"")
            .replace("{ env = \"NUMBERS_TOKEN\" }", "\"x\"")
            .replace("{ env = \"REDIS_URL\" }", "\"redis://127.0.0.1\"");
        std::fs::write(folder.join(name), text).unwrap();
    }
    let loaded = parvis::edge::load(&folder.join("parvis.toml"), None);
    let result = loaded
        .result
        .map(drop)
        .map_err(|errors| errors.render(&loaded.sources));
    std::fs::remove_dir_all(&folder).unwrap();
    result.unwrap_or_else(|errors| panic!("{errors}"));
}
