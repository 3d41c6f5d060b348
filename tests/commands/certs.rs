//! `parvis certs`, what `/status`, the metrics and `parvis explain` tell of certificates, and the
//! warnings of those that end.

use crate::certificate::made;
use crate::support::{Folder, Parvis, Refusing, command, until};
use crate::{code, text};

/// Two sites with certificates of their own, and one that waits for ACME.
const SITES: &str = r#"[server]
watch = false
[tls]
storage = "@DIR/state"
[[site]]
name = "shop"
hosts = ["shop.example", "*.shop.example"]
listen = ["127.0.0.1:0", { address = "127.0.0.2:0", tls = true }]
[site.tls]
certificate = "@DIR/shop.pem"
key = "@DIR/shop.key"
[[site.route]]
path = "/*"
respond = {}
[[site]]
name = "old"
hosts = ["old.example"]
listen = ["127.0.0.1:0", { address = "127.0.0.2:0", tls = true }]
[site.tls]
certificate = "@DIR/old.pem"
key = "@DIR/old.key"
redirect = false
[[site.route]]
path = "/*"
respond = {}
"#;

/// Waits for a CA that is not there.
const ORDERED: &str = r#"
[[site]]
name = "blog"
hosts = ["blog.example"]
listen = [{ address = "127.0.0.2:0", tls = true }]
[site.tls]
acme = { email = "ops@blog.example", directory = "https://127.0.0.1:1/directory" }
[[site.route]]
path = "/*"
respond = {}
"#;

fn bring(folder: &Folder, name: &str, hosts: &[&str], days: i64) {
    let file = |end: &str| folder.join(&format!("{name}.{end}"));
    made(hosts, days).write(&file("pem"), &file("key"));
}

/// A folder with the certificates of both sites; the second's ends in nine days.
fn folder() -> Folder {
    let folder = Folder::new();
    bring(&folder, "shop", &["shop.example", "*.shop.example"], 61);
    bring(&folder, "old", &["old.example"], 9);
    folder
}

fn certs(configuration: &std::path::Path, more: &[&str]) -> String {
    let file = configuration.to_str().unwrap();
    let output = command(&[&["certs", "-c", file], more].concat());
    assert_eq!(code(&output), 0, "{}", text(&output.stderr));
    assert_eq!(text(&output.stderr), "");
    text(&output.stdout)
}

/// `[admin]` where the process listens: the commands read it from the file.
fn at_its_port(parvis: &Parvis) -> std::path::PathBuf {
    let text = parvis.folder.read("parvis.toml");
    let own = format!("listen = \"{}\"", parvis.admin());
    let first = text.replacen("listen = \"127.0.0.1:0\"", &own, 1);
    parvis.folder.write("asked.toml", &first)
}

#[test]
fn the_certificates_of_a_running_parvis() {
    let configuration = format!("{SITES}{ORDERED}");
    let parvis = Parvis::start_in(folder(), &configuration, &[]);
    let asked = at_its_port(&parvis);
    let table = certs(&asked, &[]);
    let lines: Vec<&str> = table.lines().collect();
    let directory = parvis.folder.path().display().to_string();
    assert!(lines[0].starts_with("SITE  NAMES "), "{table}");
    let row = |site: &str| {
        let found = lines.iter().find(|line| line.starts_with(site));
        *found.unwrap_or_else(|| panic!("no {site} in {table}"))
    };
    let shop = row("shop");
    for part in [
        "  shop.example, *.shop.example  ",
        &format!("  {directory}/shop.pem  "),
        "  itself  ",
        ", in 61 days  ",
    ] {
        assert!(shop.contains(part), "{part:?} is not in {shop}");
    }
    assert!(shop.ends_with("  good"), "{shop}");
    let old = row("old");
    assert!(
        old.contains(", in 9 days ") && old.ends_with("  ends soon"),
        "{old}"
    );
    let blog = row("blog");
    assert!(blog.contains("  127.0.0.1:1  "), "{blog}");
    assert!(blog.contains("  self-signed stand-in"), "{blog}");

    let told: serde_json::Value = serde_json::from_str(&certs(&asked, &["--json"])).unwrap();
    assert_eq!(told["running"], true);
    assert_eq!(told["certificates"][0]["site"], "shop");
    assert_eq!(told["certificates"].as_array().unwrap().len(), 3);
    let status = parvis.status();
    let one = &status["certificates"][1];
    assert_eq!(told["certificates"][1], *one);
    assert_eq!(one["site"], "old");
    assert_eq!(one["names"], serde_json::json!(["old.example"]));
    assert_eq!(
        (&one["state"], &one["days_left"]),
        (&"ends_soon".into(), &9.into())
    );
    assert_eq!(one["source"]["from"], "file");
    assert_eq!(one["fingerprint"].as_str().unwrap().len(), 64);
    let end = one["not_after"].as_f64().unwrap();
    let series = format!(
        "parvis_certificate_not_after_seconds{{site=\"old\",source=\"{directory}/old.pem\"}}"
    );
    assert_eq!(parvis.metric(&series), end);
    let stand_in = "parvis_certificate_not_after_seconds{site=\"blog\",source=\"stand-in\"}";
    assert!(parvis.metric(stand_in) > end);
}

#[test]
fn the_certificates_that_are_configured_when_nothing_runs() {
    let folder = folder();
    let nobody = Refusing::new();
    let admin = nobody.address();
    let all = format!("{SITES}{ORDERED}").replace("@DIR", folder.path().to_str().unwrap());
    let file = folder.write(
        "parvis.toml",
        &format!("[admin]\nlisten = \"{admin}\"\n{all}"),
    );
    let table = certs(&file, &[]);
    let note = format!(
        "parvis does not run (nobody is on {admin}): this is what the configuration names\n\n"
    );
    assert!(table.starts_with(&note), "{table}");
    assert!(
        table.contains("  good\n") && table.contains("  ends soon"),
        "{table}"
    );
    assert!(table.contains("  127.0.0.1:1  "), "{table}");
    let told: serde_json::Value = serde_json::from_str(&certs(&file, &["--json"])).unwrap();
    assert_eq!(told["running"], false);
    assert_eq!(told["acme"][0]["state"], "not_running");

    let off = folder.write("off.toml", &format!("[admin]\nlisten = \"off\"\n{all}"));
    let note = "the admin interface is off, so parvis cannot be asked: ";
    assert!(certs(&off, &[]).starts_with(note));
    let none = folder.write(
        "none.toml",
        "[admin]\nlisten = \"off\"\n[[site]]\nname = \"s\"\nlisten = [\"127.0.0.1:0\"]\n\
         [[site.route]]\npath = \"/\"\nrespond = {}\n",
    );
    assert!(certs(&none, &[]).ends_with("\nno site has a certificate\n"));
}

#[test]
fn a_parvis_with_another_token_tells_nothing() {
    let parvis = Parvis::start_in(
        folder(),
        &format!("[admin]\nlisten = \"127.0.0.1:0\"\ntoken = \"own\"\n{SITES}"),
        &[],
    );
    let asked = at_its_port(&parvis);
    let other = parvis
        .folder
        .read("asked.toml")
        .replace("\"own\"", "\"other\"");
    std::fs::write(&asked, other).unwrap();
    let output = command(&["certs", "-c", asked.to_str().unwrap()]);
    assert_eq!(code(&output), 1);
    assert_eq!(
        text(&output.stderr),
        "error: the running parvis has another admin token than this configuration\n"
    );
}

#[test]
fn a_certificate_that_ends_is_warned_about_at_the_start_and_at_a_reload() {
    let parvis = Parvis::start_in(folder(), SITES, &[]);
    let warning = format!(
        "warning: the certificate in {}/old.pem expires on ",
        parvis.folder.path().display()
    );
    let times = |log: &str| log.matches(&warning).count();
    let log = parvis.log();
    assert_eq!(times(&log), 1, "{log}");
    assert!(log.contains("^ in 9 days"), "{log}");
    assert!(!log.contains("shop.pem"), "{log}");
    assert_eq!(parvis.admin_request("POST", "/reload", "").status, 200);
    until("the reload's warning is logged", || {
        (times(&parvis.log()) == 2).then_some(())
    });
    // `parvis reload` shows it to who asks.
    let asked = at_its_port(&parvis);
    let output = command(&["reload", "-c", asked.to_str().unwrap()]);
    assert_eq!(code(&output), 0);
    assert!(text(&output.stderr).starts_with(&warning));
    assert!(text(&output.stdout).starts_with("reloaded: generation 3 "));
    // A good one takes its place: nothing is left to be said.
    bring(&parvis.folder, "old", &["old.example"], 90);
    assert_eq!(parvis.admin_request("POST", "/reload", "").status, 200);
    assert_eq!(parvis.status()["certificates"][1]["state"], "good");
    assert_eq!(times(&parvis.log()), 3);
}

/// The lines of `parvis explain`.
fn explain(folder: &Folder, arguments: &[&str]) -> Vec<String> {
    let file = folder.join("parvis.toml");
    let output = command(&[&["explain", "-c", file.to_str().unwrap()], arguments].concat());
    assert_eq!(code(&output), 0, "{}", text(&output.stderr));
    let place = format!("{}/", folder.path().display());
    let lines = text(&output.stdout);
    lines.lines().map(|line| line.replace(&place, "")).collect()
}

fn explained(change: impl Fn(String) -> String) -> Folder {
    let folder = folder();
    let all = format!("{SITES}{ORDERED}")
        .replace("@DIR/", "")
        .replace("127.0.0.1:0", "127.0.0.1:80")
        .replace("127.0.0.2:0", "127.0.0.2:443");
    folder.write("parvis.toml", &change(all));
    folder
}

#[test]
fn an_explanation_tells_the_certificate_that_a_client_sees() {
    let folder = explained(|all| all);
    let lines = explain(&folder, &["https://www.shop.example/a"]);
    assert_eq!(
        lines[1],
        "tls       shows a certificate of the site shop   parvis.toml:6"
    );
    let cert = &lines[2];
    assert!(
        cert.starts_with("cert      shop.pem, ECDSA P-256, ends on "),
        "{cert}"
    );
    assert!(cert.ends_with(", in 61 days"), "{cert}");
    assert_eq!(lines[3], "site      shop on 127.0.0.2:443   parvis.toml:6");
    let lines = explain(&folder, &["https://blog.example/"]);
    let own = "cert      self-signed, until ACME has one, ECDSA P-256, ends on ";
    assert!(lines[2].starts_with(own), "{lines:?}");
    // A name that nobody has, and an address, which is no name.
    for url in ["https://other.example/", "https://127.0.0.2/"] {
        let lines = explain(&folder, &[url]);
        assert_eq!(
            lines[1],
            "tls       shows a certificate of the site shop, as no site has this name   parvis.toml:6"
        );
        assert_eq!(
            lines[3..],
            ["site      none answers for this host", "answer    421"]
        );
    }
    let strict = explained(|all| all.replace("[tls]", "[tls]\nunknown_sni = \"reject\""));
    let lines = explain(&strict, &["https://other.example/"]);
    assert_eq!(
        lines[1..],
        [
            "answer    the handshake is refused (unrecognized_name): no site has this name, and \
          tls.unknown_sni is \"reject\""
        ]
    );
    let asks = |auth: &str| {
        let keys = format!("[site.tls]\nclient_ca = \"shop.pem\"\nclient_auth = \"{auth}\"");
        let folder = explained(|all| all.replacen("[site.tls]", &keys, 1));
        explain(&folder, &["https://shop.example/"]).swap_remove(3)
    };
    assert_eq!(asks("required"), "client    must show a certificate");
    assert_eq!(asks("optional"), "client    may show a certificate");
}

#[test]
fn an_explanation_tells_where_plain_http_leads() {
    let folder = explained(|all| all);
    let lines = explain(&folder, &["http://shop.example/a%20b?c=d"]);
    assert_eq!(
        lines[1..],
        [
            "site      shop on 127.0.0.1:80   parvis.toml:6",
            "does      redirects with 308 to https://shop.example/a%20b?c=d",
        ]
    );
    // `redirect = false`
    let lines = explain(&folder, &["http://old.example/"]);
    assert!(lines[2].starts_with("route "), "{lines:?}");
    let other = explained(|all| all.replace("127.0.0.2:443", "127.0.0.2:8443"));
    let lines = explain(&other, &["http://shop.example/"]);
    assert_eq!(
        lines[2],
        "does      redirects with 308 to https://shop.example:8443/"
    );
    let lines = explain(&other, &["http://shop.example:8443/"]);
    assert_eq!(
        lines[1..],
        ["answer    400: TLS is spoken on 127.0.0.2:8443; ask with https://"]
    );
    let lines = explain(&other, &["https://shop.example:80/"]);
    assert_eq!(lines[1], "note      no TLS is spoken on 127.0.0.1:80");
}

#[test]
fn an_explanation_tells_when_a_host_is_not_the_certificates() {
    let folder = explained(|all| all);
    let lines = explain(
        &folder,
        &["https://shop.example/", "-H", "Host: old.example"],
    );
    assert_eq!(
        lines[3..],
        [
            "site      old on 127.0.0.2:443   parvis.toml:16",
            "answer    421: the client has seen a certificate of the site shop, which is not this \
             site's",
        ]
    );
    let lines = explain(
        &folder,
        &["https://shop.example/", "-H", "Host: www.shop.example"],
    );
    assert!(lines[4].starts_with("route "), "{lines:?}");
}
