//! `parvis visits`: the numbers in a terminal, whether parvis runs or not.

use crate::api::busy;
use crate::support::{Folder, Parvis, command};
use crate::{ON, app, ask, configuration, end, see};
use serde_json::Value;

struct Said {
    code: Option<i32>,
    out: String,
    err: String,
}

fn visits(parvis: &Parvis, arguments: &[&str]) -> Said {
    visits_in(&parvis.folder, arguments)
}

fn visits_in(folder: &Folder, arguments: &[&str]) -> Said {
    let file = folder.join("parvis.toml");
    let mut all = vec!["visits"];
    all.extend(arguments);
    all.extend(["-c", file.to_str().unwrap()]);
    let output = command(&all);
    Said {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

#[test]
fn the_terminal_is_told_what_the_api_says() {
    let (_app, mut parvis) = busy(200);
    let mut expected = Vec::new();
    for (period, key) in [("today", "today"), ("7d", "days_7"), ("30d", "days_30")] {
        for country in ["", "NL", "FR"] {
            let query = if country.is_empty() {
                String::new()
            } else {
                format!("?country={country}")
            };
            let of = ask(&parvis, &format!("overview/{query}"))[key].clone();
            expected.push((period, key, country, of));
        }
    }
    let check = |parvis: &Parvis| {
        for (period, key, country, of) in &expected {
            let mut arguments = vec![*period];
            if !country.is_empty() {
                arguments.extend(["--country", *country]);
            }
            let table = visits(parvis, &arguments);
            assert_eq!(table.code, Some(0), "{}", table.err);
            for what in ["views", "guests"] {
                let shown = of[what].to_string();
                assert!(
                    table.out.contains(&shown),
                    "no {shown} {what}: {}",
                    table.out
                );
            }
            if of["views"] != 0 {
                assert!(table.out.contains("/a/"), "{}", table.out);
                assert!(
                    table.out.contains(['█', '▇', '■', '#', '━']),
                    "no bar: {}",
                    table.out
                );
            }
            // Not to a terminal: nothing that colours it.
            assert!(!table.out.contains('\u{1b}'), "{:?}", table.out);
            arguments.push("--json");
            let told = visits(parvis, &arguments);
            assert_eq!(told.code, Some(0), "{}", told.err);
            let told: Value = serde_json::from_str(&told.out).unwrap();
            let told = &told["overview"][key];
            for what in ["views", "guests"] {
                assert_eq!(told[what], of[what], "{arguments:?}: {told:#}");
            }
        }
        let plain = visits(parvis, &[]);
        assert_eq!(plain.out, visits(parvis, &["today"]).out);
    };
    check(&parvis);
    // The same from the database alone.
    end(&mut parvis);
    check(&parvis);
}

#[test]
fn what_cannot_be_told_is_said() {
    let app = app();
    let parvis = Parvis::start(&configuration(&app, "", "", ON));
    for arguments in [
        &["yesterday"][..],
        &["7"],
        &["today", "7d"],
        &["--country", "France"],
        &["--country", "F1"],
        &["--country"],
        &["--nothing"],
    ] {
        let said = visits(&parvis, arguments);
        assert_eq!(
            said.code,
            Some(2),
            "{arguments:?}: {}{}",
            said.out,
            said.err
        );
        assert!(
            !said.err.is_empty() && said.out.is_empty(),
            "{arguments:?}: {}",
            said.out
        );
    }
    let said = visits(&parvis, &["--site", "nobody"]);
    assert_ne!(said.code, Some(0));
    assert!(said.err.contains("nobody"), "{}", said.err);
    // Nothing yet is no mistake.
    let said = visits(&parvis, &["today"]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    see(&parvis, "/", "");

    let folder = Folder::new();
    Parvis::write_configuration(&folder, &configuration(&app, "", "", ON));
    let said = visits_in(&folder, &["today"]);
    assert_eq!(said.code, Some(1), "{}{}", said.out, said.err);
    assert!(said.err.contains("visits.sqlite"), "{}", said.err);
    Parvis::write_configuration(
        &folder,
        &configuration(
            &app,
            "",
            "store = \"off\"\nspool = \"@DIR/s\"\n[visits.redis]\nurl = \"redis://127.0.0.1:1/0\"",
            ON,
        ),
    );
    let said = visits_in(&folder, &["today"]);
    assert!(matches!(said.code, Some(1 | 2)), "{}{}", said.out, said.err);
    assert!(said.err.contains("store"), "{}", said.err);
    folder.write(
        "visits.sqlite",
        "rubbish, and more of it, and more, and more, and more of it",
    );
    Parvis::write_configuration(&folder, &configuration(&app, "", "", ON));
    let said = visits_in(&folder, &["today"]);
    assert_eq!(said.code, Some(1));
    assert!(said.err.contains("not an SQLite database"), "{}", said.err);
}
