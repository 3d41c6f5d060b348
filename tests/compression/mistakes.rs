//! What `parvis check` says of a configuration of compression that is wrong.

use crate::support::{Folder, command};

const PROCESS: &str = "@";
const SITE: &str = "[[site]]\nname = \"s\"\nlisten = [\"127.0.0.1:0\"]\n@\n";
const ROUTE: &str = "[[site.route]]\npath = \"/*\"\nrespond = {}\n@\n";

/// A whole configuration with this line at the top, in the site, or in the route.
fn with(place: &str, line: &str) -> String {
    let put = |part: &str| {
        let line = if part == place { line } else { "" };
        part.replace('@', line)
    };
    format!("{}\n{}{}", put(PROCESS), put(SITE), put(ROUTE))
}

/// The exit code, and all that was said.
fn check(text: &str) -> (Option<i32>, String) {
    let folder = Folder::new();
    let file = folder.write("parvis.toml", text);
    let output = command(&["check", "-c", file.to_str().unwrap()]);
    let said = [output.stderr, output.stdout].concat();
    (output.status.code(), String::from_utf8(said).unwrap())
}

/// Each row: a line, what is underlined in it, and what is said of it.
fn refused(place: &str, rows: &[(&str, &str, &[&str])]) {
    for (line, under, expected) in rows {
        let text = with(place, line);
        let (code, said) = check(&text);
        assert_eq!(code, Some(2), "{line}: {said}");
        assert!(
            said.contains("1 error in the configuration"),
            "{line}: {said}"
        );
        for part in *expected {
            assert!(said.contains(part), "{line}: no {part:?} in\n{said}");
        }
        let number = 1 + text.lines().position(|l| l == *line).unwrap();
        let column = 1 + line.find(under).unwrap();
        let at = format!("parvis.toml:{number}:{column}\n");
        assert!(said.contains(&at), "{line}: not at {at}{said}");
        let carets = format!("| {}{}", " ".repeat(column - 1), "^".repeat(under.len()));
        assert!(
            said.contains(&carets),
            "{line}: {under} is not underlined\n{said}"
        );
    }
}

#[test]
fn an_unknown_algorithm_is_shown_with_the_one_that_may_be_meant() {
    for place in [SITE, ROUTE] {
        refused(
            place,
            &[
                (
                    "compress = { algorithms = [\"gzp\", \"br\"] }",
                    "\"gzp\"",
                    &["gzp", "did you mean \"gzip\"?"],
                ),
                (
                    "compress = { algorithms = [\"br\", \"zst\"] }",
                    "\"zst\"",
                    &["zst", "did you mean \"zstd\"?"],
                ),
                (
                    "compress = { algorithms = [\"deflate\"] }",
                    "\"deflate\"",
                    &["deflate", "br", "zstd", "gzip"],
                ),
                ("compress = { algorithms = [1] }", "1", &["integer"]),
            ],
        );
    }
}

#[test]
fn no_algorithm_and_the_same_twice_are_mistakes() {
    for place in [SITE, ROUTE] {
        let (code, said) = check(&with(place, "compress = { algorithms = [] }"));
        assert_eq!(code, Some(2), "{said}");
        assert!(
            said.contains("algorithm") || said.contains("empty"),
            "{said}"
        );
        let (code, said) = check(&with(
            place,
            "compress = { algorithms = [\"br\", \"gzip\", \"br\"] }",
        ));
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains("br") && said.contains("twice"), "{said}");
    }
}

#[test]
fn patterns_of_excluded_paths_are_checked() {
    refused(
        SITE,
        &[
            (
                "compress = { exclude = [\"/a/*\", \"account/*\"] }",
                "\"account/*\"",
                &["starts with `/`"],
            ),
            (
                "compress = { exclude = [\"~ (\"] }",
                "\"~ (\"",
                &["regular expression"],
            ),
            (
                "compress = { exclude = [\"/a*\"] }",
                "\"/a*\"",
                &["`*` stands only at the end"],
            ),
        ],
    );
}

#[test]
fn compress_is_a_table_or_off() {
    for place in [SITE, ROUTE] {
        refused(
            place,
            &[
                ("compress = \"of\"", "\"of\"", &["did you mean \"off\"?"]),
                ("compress = \"on\"", "\"on\"", &["off"]),
                ("compress = false", "false", &["boolean", "off"]),
                ("compress = [\"br\"]", "[\"br\"]", &["array", "off"]),
            ],
        );
    }
}

#[test]
fn other_values_and_keys_are_checked_too() {
    for place in [SITE, ROUTE] {
        refused(
            place,
            &[
                (
                    "compress = { algoritms = [\"br\"] }",
                    "algoritms",
                    &["unknown key", "did you mean `algorithms`?"],
                ),
                (
                    "compress = { min_length = \"800 parsecs\" }",
                    "\"800 parsecs\"",
                    &["invalid size \"800 parsecs\""],
                ),
                (
                    "compress = { cross_site = \"yes\" }",
                    "\"yes\"",
                    &["string"],
                ),
                (
                    "compress = { types = \"text/x\" }",
                    "\"text/x\"",
                    &["string"],
                ),
            ],
        );
    }
    refused(
        PROCESS,
        &[
            (
                "compress = { memory = \"lots\" }",
                "\"lots\"",
                &["invalid size \"lots\""],
            ),
            (
                "compress = { memry = \"1MiB\" }",
                "memry",
                &["unknown key", "did you mean `memory`?"],
            ),
        ],
    );
}

#[test]
fn all_that_is_right_is_taken() {
    for (place, line) in [
        (SITE, "compress = \"off\""),
        (ROUTE, "compress = \"off\""),
        (SITE, "compress = {}"),
        (
            SITE,
            "compress = { algorithms = [\"gzip\", \"zstd\", \"br\"], min_length = \"1KiB\", types = \
             [\"application/x-own\"], exclude = [\"/a/*\", \"/b\", \"~ ^/c\"], cross_site = true }",
        ),
        (ROUTE, "compress = { min_length = \"0\", exclude = [] }"),
        (PROCESS, "compress = { memory = \"0\" }"),
        (PROCESS, "compress = { memory = \"1GiB\" }"),
    ] {
        let (code, said) = check(&with(place, line));
        assert_eq!(code, Some(0), "{line}: {said}");
    }
}
