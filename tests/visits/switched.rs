//! Recording is switched, and pointed elsewhere, by a reload.

use crate::support::Parvis;
use crate::{DATABASE, ON, app, configuration, count, counted, reload, see, stored, texts};

#[test]
fn visits_are_switched_off_and_on_by_a_reload() {
    let app = app();
    let text = |site: &str| configuration(&app, "", "", site);
    let parvis = Parvis::start(&text(""));
    assert!(
        !parvis.folder.join(DATABASE).exists(),
        "made although nothing is recorded"
    );
    see(&parvis, "/off/1", "");
    let reply = parvis.admin_request("GET", "/api/analytics/overview/", "");
    assert_eq!(reply.status, 404);
    assert!(reply.text().contains("visits = true"), "{}", reply.text());
    reload(&parvis, &text(ON));
    see(&parvis, "/on/1", "");
    stored(&parvis.folder, 1);
    reload(&parvis, &text("visits = false"));
    see(&parvis, "/off/2", "");
    assert!(parvis.status()["visits"].is_null());
    reload(&parvis, &text("visits = { exclude = [\"/x\"] }"));
    see(&parvis, "/x", "");
    see(&parvis, "/on/2", "");
    assert_eq!(
        texts(&stored(&parvis.folder, 2), "path"),
        ["/on/1", "/on/2"]
    );
    counted(&parvis, 2);
    // A change of rules alone.
    reload(&parvis, &text(ON));
    see(&parvis, "/x", "");
    stored(&parvis.folder, 3);
}

#[test]
fn a_reload_to_a_database_that_cannot_be_used_leaves_visits_where_they_were() {
    let app = app();
    let parvis = Parvis::start(&configuration(&app, "", "", ON));
    see(&parvis, "/1", "");
    stored(&parvis.folder, 1);
    let nowhere = "store = \"@DIR/none/visits.sqlite\"\nspool = \"@DIR/visits.sqlite.spool\"";
    reload(&parvis, &configuration(&app, "", nowhere, ON));
    assert!(
        parvis.log().contains("none/visits.sqlite"),
        "{}",
        parvis.log()
    );
    see(&parvis, "/2", "");
    stored(&parvis.folder, 2);
    counted(&parvis, 2);
    // To another database that can be used: what came before stays in the first.
    std::fs::create_dir(parvis.folder.join("none")).unwrap();
    reload(&parvis, &configuration(&app, "", nowhere, ON));
    see(&parvis, "/3", "");
    counted(&parvis, 1);
    assert_eq!(count(&parvis.folder), 2);
}

#[test]
fn rules_change_by_a_reload_without_a_new_database() {
    let app = app();
    let text = |visits: &str| configuration(&app, "", visits, ON);
    let parvis = Parvis::start(&text("ip = \"full\""));
    see(&parvis, "/full", "");
    stored(&parvis.folder, 1);
    for (ip, address) in [
        ("truncated", Some("127.0.0.0")),
        ("none", None),
        ("full", Some("127.0.0.1")),
    ] {
        reload(&parvis, &text(&format!("ip = \"{ip}\"")));
        let before = count(&parvis.folder);
        see(&parvis, "/", "");
        let rows = stored(&parvis.folder, before + 1);
        assert_eq!(rows.last().unwrap()["address"].as_str(), address, "{ip}");
    }
    let overview = counted(&parvis, 4);
    assert_eq!(
        overview["today"]["guests"], 1,
        "the same visitor all the time: {overview:#}"
    );
    // Another site, and one that is gone: what was counted of it stays.
    let other = text("").replace("name = \"s\"", "name = \"renamed\"");
    reload(&parvis, &other);
    see(&parvis, "/", "");
    let rows = stored(&parvis.folder, 5);
    assert_eq!(texts(&rows, "name"), ["s", "s", "s", "s", "renamed"]);
}

#[test]
fn a_days_key_goes_when_nothing_is_recorded_any_more_and_moves_with_the_spool() {
    let app = app();
    let parvis = Parvis::start(&configuration(&app, "", "", ON));
    let key =
        |folder: &str| std::fs::read_to_string(parvis.folder.join(folder).join("visitor.keys"));
    see(&parvis, "/1", "");
    let first = stored(&parvis.folder, 1);
    let kept = key("visits.sqlite.spool").unwrap();
    reload(
        &parvis,
        &configuration(&app, "", "spool = \"@DIR/elsewhere\"", ON),
    );
    assert_eq!(key("elsewhere").unwrap(), kept);
    assert!(key("visits.sqlite.spool").is_err());
    see(&parvis, "/2", "");
    let both = stored(&parvis.folder, 2);
    assert_eq!(both[1]["visitor"], first[0]["visitor"], "another guest");
    reload(&parvis, &configuration(&app, "", "", ""));
    assert!(key("elsewhere").is_err());
}

#[test]
fn a_reload_that_cannot_record_says_so() {
    let app = app();
    let nowhere = configuration(&app, "", "store = \"@DIR/none/visits.sqlite\"", ON);
    let parvis = Parvis::start(&configuration(&app, "[server]\nwatch = false", "", ""));
    Parvis::write_configuration(&parvis.folder, &nowhere);
    let reply = parvis.admin_request("POST", "/reload", "");
    let failed = reply.json()["failed"][0].as_str().unwrap().to_string();
    assert_eq!(reply.status, 200, "the rest is in force");
    assert!(failed.contains("there is no directory"), "{failed}");
    assert!(failed.contains("no visit is recorded"), "{failed}");
    assert_eq!(parvis.metric("parvis_config_last_reload_success"), 0.0);
    assert_eq!(parvis.metric("parvis_config_generation"), 2.0);
    assert!(parvis.log().contains(&failed), "{}", parvis.log());
    let reply = parvis.admin_request("GET", "/api/analytics/overview/", "");
    assert_eq!(reply.status, 503);
    assert!(
        reply.text().contains("there is no directory"),
        "{}",
        reply.text()
    );
    // Mended, it is in force by the next reload.
    std::fs::create_dir(parvis.folder.join("none")).unwrap();
    let reply = parvis.admin_request("POST", "/reload", "");
    assert_eq!(reply.json()["failed"], serde_json::json!([]));
    assert_eq!(parvis.metric("parvis_config_last_reload_success"), 1.0);
    see(&parvis, "/1", "");
    counted(&parvis, 1);
}
