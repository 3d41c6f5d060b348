//! A real Redis that goes away and comes back while visitors look at pages.

use crate::load::{Load, same};
use crate::support::redis::Value;
use crate::support::{Backend, Parvis, Redis, until};
use crate::{
    DATABASE, ON, again, app, configuration, end, reload, see, sink, stored, texts, trouble, view,
};
use std::collections::BTreeSet;

pub const LIST: &str = "analytics:queue";

/// Visits go to this list, which is not trimmed within a test, with these lines beside.
pub fn to_redis(app: &Backend, redis: &Redis, lines: &str) -> String {
    let keep = if lines.contains("keep = ") {
        ""
    } else {
        "keep = 1000000"
    };
    let list = if lines.contains("list = ") {
        ""
    } else {
        "list = \"analytics:queue\""
    };
    let url = if lines.contains("url = ") {
        String::new()
    } else {
        format!("url = \"{}\"", redis.url())
    };
    let visits = format!("[visits.redis]\n{url}\n{list}\n{keep}\n{lines}");
    configuration(app, "", &visits, ON)
}

fn delivered(redis: &Redis, visits: usize) {
    let mut last = 0;
    until(&format!("{visits} visits are in the list"), || {
        last = redis.length(LIST) as usize;
        (last >= visits).then_some(())
    });
    assert_eq!(last, visits);
}

fn paths(visits: &[serde_json::Value]) -> Vec<&str> {
    texts(visits, "path")
}

/// No id is there twice, and the database has the same ones.
fn ids(visits: &[serde_json::Value], parvis: &Parvis) {
    let ids: BTreeSet<String> = texts(visits, "id")
        .into_iter()
        .map(|id| id.replace('-', ""))
        .collect();
    assert_eq!(ids.len(), visits.len(), "an id is there twice");
    let rows = stored(&parvis.folder, visits.len() as u64);
    let stored: BTreeSet<String> = texts(&rows, "uuid").into_iter().map(String::from).collect();
    assert_eq!(ids, stored);
}

fn stopped_in_the_middle(signal: &str) {
    let mut redis = Redis::start();
    let app = app();
    let parvis = Parvis::start(&to_redis(&app, &redis, ""));
    let load = Load::start(parvis.address(), "load", 2);
    for _ in 0..3 {
        let before = redis.length(LIST);
        until("visits reach Redis", || {
            (redis.length(LIST) > before + 100).then_some(())
        });
        redis.end(signal);
        let sent = load.sent();
        until("visitors go on", || {
            (load.sent() > sent + 100).then_some(())
        });
        trouble(&parvis, "redis", "");
        assert_eq!(sink(&parvis, "redis")["up"], false);
        assert_eq!(parvis.metric("parvis_visits_sink_up{sink=\"redis\"}"), 0.0);
        redis.begin();
    }
    let seen = load.end();
    let sent = seen.iter().map(Vec::len).sum();
    delivered(&redis, sent);
    let list = redis.list(LIST);
    same(paths(&list), &seen);
    ids(&list, &parvis);
    until("all is well again", || {
        let sink = sink(&parvis, "redis");
        let well = sink["up"] == true && sink["waiting"] == 0 && sink["error"].is_null();
        (well && sink["failures"].as_u64() >= Some(3)).then_some(())
    });
    let mentions = parvis
        .log()
        .lines()
        .filter(|line| line.contains("Redis"))
        .count();
    assert!(
        (2..=12).contains(&mentions),
        "told when it begins and ends: {}",
        parvis.log()
    );
    assert_eq!(parvis.metric("parvis_visits_lost_total"), 0.0);
    assert_eq!(parvis.metric("parvis_visits_dropped_total"), 0.0);
}

#[test]
fn a_redis_that_is_stopped_in_the_middle_gets_everything() {
    stopped_in_the_middle("TERM");
}

#[test]
fn a_redis_that_is_killed_in_the_middle_gets_everything() {
    stopped_in_the_middle("KILL");
}

#[test]
fn a_redis_that_freezes_gets_everything_and_visitors_do_not_notice() {
    let redis = Redis::start();
    let app = app();
    let parvis = Parvis::start(&to_redis(&app, &redis, ""));
    let load = Load::start(parvis.address(), "load", 2);
    until("visits reach Redis", || {
        (redis.length(LIST) > 100).then_some(())
    });
    redis.signal("STOP");
    let failures = sink(&parvis, "redis")["failures"].as_u64();
    let sent = load.sent();
    until("the time is over", || {
        (sink(&parvis, "redis")["failures"].as_u64() > failures).then_some(())
    });
    assert!(load.sent() > sent + 100, "visitors waited for Redis");
    redis.signal("CONT");
    let seen = load.end();
    delivered(&redis, seen.iter().map(Vec::len).sum());
    let list = redis.list(LIST);
    same(paths(&list), &seen);
    ids(&list, &parvis);
}

#[test]
fn a_parvis_that_ends_while_redis_is_away_delivers_at_its_next_start() {
    let mut redis = Redis::away();
    let app = app();
    let text = to_redis(&app, &redis, "");
    // Redis is away from the first moment on.
    let mut parvis = Parvis::start(&text);
    let mut seen = Vec::new();
    for round in ["first", "second"] {
        let load = Load::start(parvis.address(), round, 2);
        until("visitors came", || (load.sent() > 200).then_some(()));
        seen.extend(load.end());
        end(&mut parvis);
        parvis = again(parvis, &text);
    }
    let total: usize = seen.iter().map(Vec::len).sum();
    until("they wait", || {
        (sink(&parvis, "redis")["waiting"] == total).then_some(())
    });
    assert_eq!(
        parvis.metric("parvis_visits_waiting{sink=\"redis\"}"),
        total as f64
    );
    stored(&parvis.folder, total as u64);
    redis.begin();
    delivered(&redis, total);
    let list = redis.list(LIST);
    same(paths(&list), &seen);
    ids(&list, &parvis);
}

#[test]
fn a_parvis_ends_although_redis_is_frozen() {
    let redis = Redis::start();
    let app = app();
    let text = to_redis(&app, &redis, "");
    let mut parvis = Parvis::start(&text);
    see(&parvis, "/one", "");
    delivered(&redis, 1);
    redis.signal("STOP");
    for page in ["/two", "/three"] {
        see(&parvis, page, "");
    }
    end(&mut parvis);
    redis.signal("CONT");
    let parvis = again(parvis, &text);
    delivered(&redis, 3);
    ids(&redis.list(LIST), &parvis);
}

#[test]
fn a_full_list_is_waited_for_and_nothing_is_lost() {
    let redis = Redis::start();
    let app = app();
    let parvis = Parvis::start(&to_redis(&app, &redis, "keep = 100"));
    let mut client = parvis.client();
    for page in 0..250 {
        view(&mut client, &format!("/{page}"), "");
    }
    for (from, to) in [(0, 100), (100, 200), (200, 250)] {
        let expected: Vec<String> = (from..to).map(|page| format!("/{page}")).collect();
        until("as many as may be are there", || {
            (paths(&redis.list(LIST)) == expected).then_some(())
        });
        let waiting = || parvis.metric("parvis_visits_waiting{sink=\"redis\"}");
        until("the others wait", || {
            (waiting() == f64::from(250 - to)).then_some(())
        });
        assert_eq!(parvis.metric("parvis_visits_sink_up{sink=\"redis\"}"), 1.0);
        // The consumer comes.
        redis.ask(&["RPOP", LIST, "100"]);
    }
    assert_eq!(
        parvis.metric("parvis_visits_trimmed_total{sink=\"redis\"}"),
        0.0
    );
    assert_eq!(stored(&parvis.folder, 250).len(), 250);
}

#[test]
fn a_stream_has_every_visit_in_order() {
    let mut redis = Redis::start();
    let app = app();
    let parvis = Parvis::start(&to_redis(&app, &redis, "list_mode = \"stream\""));
    let load = Load::start(parvis.address(), "load", 2);
    let length = |redis: &Redis| redis.ask(&["XLEN", LIST]).number() as usize;
    until("visits reach Redis", || {
        (length(&redis) > 100).then_some(())
    });
    redis.end("KILL");
    let sent = load.sent();
    until("visitors go on", || {
        (load.sent() > sent + 100).then_some(())
    });
    redis.begin();
    let seen = load.end();
    let total: usize = seen.iter().map(Vec::len).sum();
    until("all are there", || (length(&redis) >= total).then_some(()));
    let entries = redis.ask(&["XRANGE", LIST, "-", "+"]);
    let visits: Vec<serde_json::Value> = entries
        .list()
        .iter()
        .map(|entry| {
            // An id, and fields with their values.
            let fields = entry.list()[1].list();
            let json = fields
                .iter()
                .find(|field| matches!(field, Value::Text(t) if t.starts_with('{')));
            serde_json::from_str(json.unwrap_or_else(|| panic!("{entry:?}")).text()).unwrap()
        })
        .collect();
    assert_eq!(visits.len(), total);
    same(paths(&visits), &seen);
    ids(&visits, &parvis);
}

#[test]
fn a_wrong_password_is_told_and_mended() {
    let mut redis = Redis::start();
    redis.lock("right-and-secret");
    let app = app();
    let url = |password: &str| format!("url = \"redis://:{password}@{}/0\"", redis.address());
    let parvis = Parvis::start(&to_redis(&app, &redis, &url("wrong-and-secret")));
    see(&parvis, "/one", "");
    let told = trouble(&parvis, "redis", "password");
    let metrics = parvis.admin_request("GET", "/metrics", "").text();
    for text in [&told, &parvis.log(), &metrics, &parvis.status().to_string()] {
        assert!(!text.contains("and-secret"), "{text}");
    }
    assert!(
        parvis.log().to_ascii_lowercase().contains("password"),
        "{}",
        parvis.log()
    );
    // None where one is needed.
    reload(&parvis, &to_redis(&app, &redis, ""));
    see(&parvis, "/two", "");
    trouble(&parvis, "redis", "password");
    // Mended in the configuration.
    reload(&parvis, &to_redis(&app, &redis, &url("right-and-secret")));
    see(&parvis, "/three", "");
    delivered(&redis, 3);
    let list = redis.list(LIST);
    let paths: BTreeSet<&str> = paths(&list).into_iter().collect();
    assert_eq!(paths, BTreeSet::from(["/one", "/three", "/two"]));
}

#[test]
fn a_key_of_another_type_is_told_and_mended() {
    let redis = Redis::start();
    redis.ask(&["SET", LIST, "something else"]);
    let app = app();
    let parvis = Parvis::start(&to_redis(&app, &redis, ""));
    see(&parvis, "/one", "");
    trouble(&parvis, "redis", "WRONGTYPE");
    let log = parvis.log();
    assert!(log.contains("WRONGTYPE") && log.contains(LIST), "{log}");
    assert_eq!(redis.ask(&["GET", LIST]).text(), "something else");
    see(&parvis, "/two", "");
    redis.ask(&["DEL", LIST]);
    delivered(&redis, 2);
    assert_eq!(paths(&redis.list(LIST)), ["/one", "/two"]);
}

#[test]
fn redis_settings_change_by_a_reload_and_nothing_is_lost() {
    let redis = Redis::start();
    let app = app();
    let first = to_redis(&app, &redis, "");
    let second = to_redis(&app, &redis, "list = \"other\"");
    let parvis = Parvis::start(&first);
    let load = Load::start(parvis.address(), "load", 2);
    for text in [&second, &first, &second] {
        let sent = load.sent();
        until("visitors go on", || (load.sent() > sent + 50).then_some(()));
        reload(&parvis, text);
    }
    let sent = load.sent();
    until("visitors go on", || (load.sent() > sent + 50).then_some(()));
    let seen = load.end();
    let total: usize = seen.iter().map(Vec::len).sum();
    until("all are in one of both", || {
        let both = redis.length(LIST) + redis.length("other");
        (both as usize >= total).then_some(())
    });
    assert!(redis.length(LIST) > 0 && redis.length("other") > 0);
    let mut both = redis.list(LIST);
    both.extend(redis.list("other"));
    both.sort_by(|a, b| {
        a["timestamp"]
            .as_f64()
            .unwrap()
            .total_cmp(&b["timestamp"].as_f64().unwrap())
    });
    let ids: BTreeSet<&str> = texts(&both, "id").into_iter().collect();
    assert_eq!((both.len(), ids.len()), (total, total));
    // Without Redis, and with it again: what came between is nobody's who was not there.
    reload(&parvis, &configuration(&app, "", "", ON));
    assert!(
        parvis.status()["visits"]["sinks"]
            .as_array()
            .unwrap()
            .iter()
            .all(|s| s["name"] == "store")
    );
    see(&parvis, "/between", "");
    stored(&parvis.folder, total as u64 + 1);
    reload(&parvis, &first);
    see(&parvis, "/after", "");
    until("the last one is there", || {
        (redis.list(LIST).last()?["path"] == "/after").then_some(())
    });
    assert!(!paths(&redis.list(LIST)).contains(&"/between"));
}

#[test]
fn a_unix_socket_another_database_and_a_user_with_few_rights() {
    let redis = Redis::start();
    let app = app();
    let rights = [
        "ACL",
        "SETUSER",
        "parvis",
        "on",
        ">p@ss",
        "resetkeys",
        "~analytics:queue",
        "~{analytics:queue}:parvis:*",
        "+multi",
        "+exec",
        "+lpush",
        "+ltrim",
        "+llen",
        "+set",
        "+get",
        "+watch",
        "+select",
    ];
    assert_eq!(redis.ask(&rights).text(), "OK");
    let tcp = format!("redis://parvis:p%40ss@{}/3", redis.address());
    let socket = redis.socket();
    let unix = format!("unix://{}?db=3&user=parvis&pass=p%40ss", socket.display());
    for (place, url) in [tcp, unix].iter().enumerate() {
        let parvis = Parvis::start(&to_redis(&app, &redis, &format!("url = {url:?}")));
        see(&parvis, "/", "");
        until("it is delivered", || {
            let sink = sink(&parvis, "redis");
            (sink["delivered"] == 1).then_some(())
        });
        assert_eq!(redis.length(LIST), 0, "in the wrong database");
        // Out of the third one.
        let moved = [
            "EVAL",
            "redis.call('SELECT', 3) return redis.call('LLEN', KEYS[1])",
            "1",
            LIST,
        ];
        assert_eq!(redis.ask(&moved).number() as usize, place + 1);
        assert!(!parvis.log().contains("p@ss") && !parvis.log().contains("p%40ss"));
    }
}

#[test]
fn a_list_alone_needs_no_database() {
    let redis = Redis::start();
    let app = app();
    let text = to_redis(&app, &redis, "").replace(
        &format!("store = \"@DIR/{DATABASE}\""),
        "store = \"off\"\nspool = \"@DIR/spool\"",
    );
    let parvis = Parvis::start(&text);
    for page in 0..20 {
        see(&parvis, &format!("/{page}"), "");
    }
    delivered(&redis, 20);
    assert!(!parvis.folder.join(DATABASE).exists());
    let reply = parvis.admin_request("GET", "/api/analytics/overview/", "");
    assert_eq!(reply.status, 404);
    assert!(reply.text().contains("store"), "{}", reply.text());
}
