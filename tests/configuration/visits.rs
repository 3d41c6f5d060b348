//! `[visits]`, `[geoip]` and a site's `visits`.

use crate::checked::{check, mistake, right};
use crate::keys::{with, wrong};

#[test]
fn mistakes_are_shown_where_they_are() {
    for (table, lines, under, message, label) in rows! {
        "visits", "stor = \"x\"", "stor", "unknown key `stor`", "did you mean `store`?";
        "visits", "store = \"\"", "\"\"", "empty path", "expected a path";
        "visits", "keep_raw = \"1h\"", "\"1h\"", "visits are kept for a day at least", "expected \"1d\" or more";
        "visits", "spool_size = \"1MiB\"", "\"1MiB\"", "too little room", "expected \"16MiB\" or more";
        "visits", "ip = \"half\"", "\"half\"", "invalid value \"half\"", "expected one of \"full\", \"truncated\", \"none\"";
        "visits", "warn_at = -1", "-1", "integer out of range", "expected 0";
        "visits", "exclude = [\"admin\"]", "\"admin\"", "invalid path pattern", "a path starts with `/`";
        "visits", "authenticated = \"X User\"", "\"X User\"", "invalid name of a field \"X User\"", "such as \"X-Parvis-User\", or \"off\"";
        "visits", "authenticated = \"Content-Type\"", "\"Content-Type\"", "invalid name of a field \"Content-Type\"", "starts with `X-`";
        "visits", "respect = [\"gcp\"]", "\"gcp\"", "invalid value \"gcp\"", "did you mean \"gpc\"?";
        "visits", "time_zone = \"Europe/Pari\"", "\"Europe/Pari\"", "invalid time zone \"Europe/Pari\"", "Europe/Paris";
        "geoip", "country = \"x\"", "country", "unknown key `country`", "";
        "[site]", "visits = \"on\"", "\"on\"", "`visits` is switched on or off, or a table", "expected `true`, `false` or a table";
        "[site]", "visits = { exclud = [] }", "exclud", "unknown key `exclud`", "did you mean `exclude`?";
        "[site]", "visits = { time_zone = \"Mars\" }", "\"Mars\"", "invalid time zone \"Mars\"", "";
        "[site]", "visits = { share = { path = \"/numbers\", token = \"x\" } }", "\"/numbers\"", "`path` takes what is below it", "ends in \"/*\"";
        "[site]", "visits = { share = { path = \"/numbers/*\", token = \"\" } }", "\"\"", "without a token everybody could read", "give one";
        "[site]", "visits = { share = { path = \"/*\", token = \"x\" } }", "\"/*\"", "the numbers would take the place of the whole site", "such as \"/numbers/*\"";
        "[site]", "visits = { share = { path = \"/numbers/*\" } }", "{", "missing key `token`", "must be given";
    } {
        let mistake = wrong(table, lines);
        assert_eq!(mistake.under, under, "{lines}");
        assert!(
            mistake.message.contains(message),
            "{lines}: {}",
            mistake.message
        );
        assert!(mistake.label.contains(label), "{lines}: {}", mistake.label);
    }
}

#[test]
fn visits_that_are_kept_nowhere_are_a_mistake() {
    let nowhere = with("visits", "store = \"off\"")
        .replace("[visits.redis]\nurl = \"redis://127.0.0.1\"\n", "");
    right(&nowhere);
    let recorded = nowhere.replace("name = \"s\"", "name = \"s\"\nvisits = true");
    let mistake = mistake(&recorded);
    assert_eq!(mistake.message, "visits are recorded, but kept nowhere");
    assert_eq!(mistake.under, "\"off\"");
}

#[test]
fn a_database_of_countries_that_cannot_be_used_is_a_mistake() {
    let text = with("geoip", "database = \"no.mmdb\"\ncity = \"broken.mmdb\"");
    let checked = check(&[("parvis.toml", &text), ("broken.mmdb", "rubbish")]);
    let mistakes = checked.mistakes();
    let found: Vec<&str> = mistakes.iter().map(|m| m.under.as_str()).collect();
    assert_eq!(found, ["\"no.mmdb\"", "\"broken.mmdb\""], "{}", checked.err);
    assert!(
        mistakes[0].message.contains("there is no such file"),
        "{}",
        checked.err
    );
    assert!(
        mistakes[1].message.contains("it is no MaxMind DB"),
        "{}",
        checked.err
    );
}

#[test]
fn a_mistake_of_the_process_is_not_repeated_by_its_sites() {
    let text = with("visits", "time_zone = \"Mars\"\nauthenticated = \"a b\"")
        .replace("name = \"s\"", "name = \"s\"\nvisits = true");
    let checked = check(&[("parvis.toml", &text)]);
    assert_eq!(checked.mistakes().len(), 2, "{}", checked.err);
}
