use super::*;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

const TABLE: &str = include_str!("agents.tsv");

/// The table's rows: what is expected, and the user agent.
fn rows() -> Vec<(String, &'static str)> {
    let lines = TABLE.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let (expected, user_agent) = line.rsplit_once('\t').unwrap();
            (expected.replace('\t', ", "), user_agent)
        })
        .collect()
}

/// An agent in the table's words.
fn told(agent: Agent) -> String {
    let what = match (agent.bot, agent.app) {
        (false, false) => "-",
        (true, false) => "bot",
        (false, true) => "app",
        (true, true) => "bot+app",
    };
    let device = agent.device.name();
    format!("{device}, {}, {}, {what}", agent.browser, agent.os)
}

#[test]
fn real_user_agents_are_what_they_are() {
    let (rows, mut agents) = (rows(), Agents::new());
    assert!(rows.len() >= 300, "{}", rows.len());
    let wrong: Vec<String> = rows
        .iter()
        .filter_map(|(expected, user_agent)| {
            let told = told(agents.read(user_agent));
            (told != *expected).then(|| format!("{user_agent}\n  {told}, not {expected}"))
        })
        .collect();
    assert!(wrong.is_empty(), "{}:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn what_is_remembered_is_what_was_read() {
    let mut agents = Agents::new();
    for (expected, user_agent) in rows() {
        assert_eq!(told(agents.read(user_agent)), expected);
        assert_eq!(told(agents.read(user_agent)), expected);
    }
}

#[test]
fn no_user_agent_is_a_program() {
    let mut agents = Agents::new();
    for user_agent in ["", " ", "\t"] {
        assert_eq!(told(agents.read(user_agent)), "bot, Other, Other, bot");
    }
}

#[test]
fn a_known_app_may_say_anything() {
    let mut agents = Agents::new();
    for (user_agent, expected) in [
        ("", "other, Other, Other, app"),
        ("Shop/2.1", "other, Other, Other, app"),
        (
            "Shop/2.1 (iPhone; iOS 17.1; Scale/3.00)",
            "mobile, Other, iOS, app",
        ),
        (
            "Shop/2.1 (iPad; iOS 17.1; Scale/2.00)",
            "tablet, Other, iPadOS, app",
        ),
        (
            "Shop/2.1 (Android 14; Pixel 7)",
            "mobile, Other, Android, app",
        ),
        ("ExampleBot/1.0", "bot, Other, Other, bot+app"),
    ] {
        assert_eq!(told(agents.read_app(user_agent)), expected, "{user_agent}");
    }
    // Neither way remembers for the other.
    assert_eq!(told(agents.read("Shop/2.1")), "bot, Other, Other, bot");
    assert_eq!(
        told(agents.read_app("Shop/2.1")),
        "other, Other, Other, app"
    );
}

#[test]
fn a_long_user_agent_is_read_to_its_limit() {
    let chrome = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) \
                  Chrome/152.0.0.0 Safari/537.36";
    let mut agents = Agents::new();
    let long = format!("{chrome} {}", "x".repeat(16 * 1024));
    let wide = format!("{chrome} {}", "é".repeat(8 * 1024));
    for user_agent in [long, wide] {
        assert_eq!(told(agents.read(&user_agent)), "desktop, Chrome, Linux, -");
    }
    // What is beyond the limit is neither read nor kept.
    let padded = format!("{chrome} {} Edg/120.0", "x ".repeat(300));
    assert_eq!(agents.read(&padded).browser, "Chrome");
    for end in 0..10_000 {
        let same = format!("{chrome} {} {end}", "x ".repeat(300));
        agents.read(&same);
    }
    assert!(agents.remembered.len() <= 4, "{}", agents.remembered.len());
}

#[test]
fn few_are_remembered() {
    let mut agents = Agents::new();
    for number in 0..REMEMBERED + 1000 {
        agents.read(&format!(
            "Mozilla/5.0 (X11; Linux x86_64) Ladybird/{number}"
        ));
    }
    assert!(agents.remembered.len() <= REMEMBERED);
}

#[test]
fn what_is_no_user_agent_is_read_too() {
    let mut agents = Agents::new();
    for user_agent in [
        "\u{0}",
        "\u{fffd}\u{fffd}",
        "💩",
        "(((((((((",
        "; wv)",
        "İPHONE",
        "Mozilla/5.0 (",
        "%00%ff",
        "<script>alert(1)</script>",
        "' OR 1=1 --",
        "\r\nX: y",
    ] {
        agents.read(user_agent);
    }
}

#[test]
fn no_mutation_panics() {
    let (rows, mut agents) = (rows(), Agents::new());
    let mut random = StdRng::seed_from_u64(4);
    for _ in 0..100_000 {
        let (_, user_agent) = &rows[random.gen_range(0..rows.len())];
        let mut bytes = user_agent.as_bytes().to_vec();
        for _ in 0..random.gen_range(1..6) {
            let at = random.gen_range(0..=bytes.len());
            match random.gen_range(0..4) {
                0 => bytes.insert(at, random.r#gen()),
                1 => bytes.truncate(at),
                2 => bytes.extend_from_within(at..),
                _ => {
                    if let Some(byte) = bytes.get_mut(at) {
                        *byte = random.r#gen();
                    }
                }
            }
        }
        let agent = agents.parse(&String::from_utf8_lossy(&bytes), random.r#gen());
        assert_eq!(agent.bot, agent.device == Device::Bot);
    }
}

#[test]
fn client_hints_tell_what_the_user_agent_hides() {
    let mut agents = Agents::new();
    let mut told = |user_agent: &str, hints: Hints<'_>| {
        let agent = agents.read(user_agent).told(&hints);
        (agent.device, agent.browser, agent.os)
    };
    let linux = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) \
                 Chrome/152.0.0.0 Safari/537.36";
    let brave = Hints {
        brands: r#""Chromium";v="152", "Brave";v="152", "Not_A Brand";v="99""#,
        platform: r#""Linux""#,
        mobile: false,
    };
    assert_eq!(told(linux, brave), (Device::Desktop, "Brave", "Linux"));
    let android = Hints {
        brands: r#""Chromium";v="152", "Google Chrome";v="152""#,
        platform: r#""Android""#,
        mobile: false,
    };
    assert_eq!(told(linux, android), (Device::Tablet, "Chrome", "Android"));
    let none = Hints::default();
    assert_eq!(told(linux, none), (Device::Desktop, "Chrome", "Linux"));
    let safari = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 \
                  (KHTML, like Gecko) Version/26.6.1 Safari/605.1.15";
    assert_eq!(told(safari, none), (Device::Desktop, "Safari", "macOS"));
    let ipad = Hints {
        platform: "iPadOS",
        ..none
    };
    assert_eq!(told(safari, ipad), (Device::Tablet, "Safari", "iPadOS"));
    assert_eq!(told("curl/8.5.0", ipad).0, Device::Bot);
}
