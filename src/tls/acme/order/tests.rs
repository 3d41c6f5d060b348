use super::super::certificate::tests::made;
use super::super::storage;
use super::super::work::Work;
use super::*;
use crate::config::{Document, Sources, Value};

pub struct Folder(pub PathBuf);

impl Folder {
    pub fn new() -> Folder {
        let name = format!("parvis-acme-{:016x}", rand::random::<u64>());
        Folder(std::env::temp_dir().join(name))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub fn built(storage: &Path, acme: &str, names: &[&str]) -> Result<Arc<Order>, String> {
    rebuilt(storage, acme, names, &[])
}

/// After these.
pub fn rebuilt(
    storage: &Path,
    acme: &str,
    names: &[&str],
    before: &[Arc<Order>],
) -> Result<Arc<Order>, String> {
    let mut sources = Sources::default();
    let file = sources.add("parvis.toml".into(), format!("acme = {{ {acme} }}\n"));
    let mut errors = Diagnostics::default();
    let document = Document::parse(&sources, &[file], &mut errors);
    let (_, place, node) = document.entries().next().unwrap();
    let names: Vec<_> = names.iter().map(|name| (name.to_string(), place)).collect();
    let settings = AcmeSettings::read(&node, &mut errors);
    let order = settings.and_then(|settings| {
        let request = OrderRequest {
            site: "shop",
            names: &names,
            place,
            settings: &settings,
            storage,
            shared: None,
            before,
        };
        Order::build(&request, &mut errors)
    });
    assert_eq!(order.is_none(), !errors.is_empty());
    order.ok_or_else(|| errors.render(&sources))
}

pub const ASK: &str = "on_demand = { ask = \"http://127.0.0.1:8000/ask\" }";

#[test]
fn names_are_ordered_once_each_in_lower_case() {
    let folder = Folder::new();
    let order = built(
        &folder.0,
        "",
        &["Shop.example", "www.shop.example.", "shop.EXAMPLE"],
    );
    let order = order.unwrap();
    assert_eq!(order.names, ["shop.example", "www.shop.example"]);
    assert_eq!(
        order.policy.directory,
        "https://acme-v02.api.letsencrypt.org/directory"
    );
    assert!(order.policy.email.is_empty() && !order.is_on_demand());
    // The order in which they stand does not matter.
    let other = built(&folder.0, "", &["www.shop.example", "shop.example"]);
    assert_eq!(other.unwrap().id, order.id);
    // Looking at it makes nothing.
    assert!(!folder.0.exists());
}

#[test]
fn what_cannot_be_ordered_is_told_where_it_stands() {
    let folder = Folder::new();
    let key = "eab = { kid = \"k\", hmac_key = \"sesame!\" }";
    for (acme, names, told) in [
        ("", &[][..], "there is no name to order a certificate for"),
        ("", &["*.shop.example"], "a wildcard needs the DNS"),
        ("challenge = \"tls-alpn-01\"", &["*.a"], "by tls-alpn-01"),
        ("", &["10.0.0.1"], "it is an address"),
        ("", &["[::1]"], "it is an address"),
        ("", &["b\u{fc}cher.example"], "xn--"),
        ("", &["-a.example"], "no name of a host"),
        (
            "directory = \"http://ca.example/\"",
            &["a"],
            "begins with https://",
        ),
        (
            "directory = \"https://u:p@ca.example/\"",
            &["a"],
            "begins with https://",
        ),
        ("email = \"nobody\"", &["a"], "admin@example.org"),
        (
            "email = \"a@b.example,c@d.example\"",
            &["a"],
            "admin@example.org",
        ),
        (
            "challenge = \"dns-01\"",
            &["a"],
            "expected one of \"http-01\", \"tls-alpn-01\"",
        ),
        ("eab = { kid = \"k\" }", &["a"], "missing key `hmac_key`"),
        (key, &["a"], "`hmac_key` is no key in base64url"),
        (
            "ca = \"nowhere.pem\"",
            &["a"],
            "cannot read ./nowhere.pem: No such file",
        ),
        ("ca = \"/\"", &["a"], "/ is a folder"),
        (
            "on_demand = { ask = \"https://a/\" }",
            &["*.a"],
            "http://127.0.0.1:8000/tls-ask",
        ),
        (ASK, &["a", "b"], "no wildcard in `hosts`"),
        ("on_demand = {}", &["*.a"], "missing key `ask`"),
        ("dierctory = \"x\"", &["a"], "did you mean `directory`?"),
    ] {
        let error = built(&folder.0, acme, names).unwrap_err();
        assert!(error.contains(told), "{told}: {error}");
        assert!(!error.contains("sesame"), "{error}");
    }
    // Once.
    let error = built(&folder.0, "on_demand = {}", &["*.a"]).unwrap_err();
    assert!(error.contains("1 error in"), "{error}");
    let error = built(&folder.0, key, &["a"]).unwrap_err();
    assert!(error.contains("account \"k\""), "{error}");
    let many: Vec<String> = (0..101).map(|n| format!("{n}.example")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let error = built(&folder.0, "", &many).unwrap_err();
    assert!(error.contains("101 names in one certificate"), "{error}");
}

#[test]
fn only_names_of_the_site_are_asked_about() {
    let folder = Folder::new();
    let asked =
        |names: &[&str], name: &str| built(&folder.0, ASK, names).unwrap().may_be_asked(name);
    let some = &["shop.example", "*.shop.example"];
    for (name, may) in [
        ("a.shop.example", true),
        ("b.a.shop.example", true),
        ("shop.example", false),
        (".shop.example", false),
        ("xshop.example", false),
        ("evil.example", false),
        ("A.shop.example", false),
        ("10.0.0.1", false),
    ] {
        assert_eq!(asked(some, name), may, "{name}");
    }
    assert!(asked(&[], "any.example") && !asked(&[], "10.0.0.1"));
    assert!(!built(&folder.0, "", &["a"]).unwrap().may_be_asked("b"));
}

#[test]
fn what_lies_in_the_storage_is_served_at_once_when_it_is_good() {
    let folder = Folder::new();
    let now = now();
    let put = |names: &[&str], text: &str| {
        let order = built(&folder.0, "", names).unwrap();
        storage::write(&order.id.certificate(), text.as_bytes()).unwrap();
    };
    let served = |names: &[&str]| {
        let order = built(&folder.0, "", names).unwrap();
        order.slot.issued().map(|issued| issued.facts.names.clone())
    };
    put(&["over.example"], &made(&["over.example"], 1, now - 9));
    assert_eq!(served(&["over.example"]), None);
    put(&["broken.example"], "-----BEGIN");
    assert_eq!(served(&["broken.example"]), None);
    put(&["a.example"], &made(&["a.example"], 1, now + 900));
    assert_eq!(served(&["a.example"]).unwrap(), ["a.example"]);
    // A name more: the old ones are served meanwhile, by the certificate that has most of them.
    assert_eq!(served(&["a.example", "b.example"]).unwrap(), ["a.example"]);
    let both = &["a.example", "b.example"];
    put(both, &made(both, 1, now + 900));
    let three = &["a.example", "b.example", "c.example"];
    assert_eq!(served(three).unwrap(), *both);
    assert_eq!(served(&["c.example"]), None);
}

#[test]
fn names_that_were_asked_for_stay_when_hosts_change() {
    let folder = Folder::new();
    let before = built(&folder.0, ASK, &["a.example", "*.a.example"]).unwrap();
    let issued = |name| Issued::from_pem(made(&[name], 1, now() + 900).as_bytes()).unwrap();
    for name in ["x.a.example", "y.a.example", "b.example"] {
        let (entry, _) = before.held.place(name, 0);
        entry.slot.put(Arc::new(issued(name)));
    }
    let again = |acme: &str, names: &[&str]| {
        let before = std::slice::from_ref(&before);
        rebuilt(&folder.0, acme, names, before).unwrap()
    };
    let order = again(ASK, &["c.example", "x.a.example", "*.a.example"]);
    assert!(order.certificate(Some("y.a.example")).is_some());
    // Now one of the configuration, and one that never was the site's.
    assert!(order.certificate(Some("x.a.example")).is_none());
    assert!(order.certificate(Some("b.example")).is_none());
    let directory = "directory = \"https://ca.example/\", ";
    let order = again(&format!("{directory}{ASK}"), &["*.a.example"]);
    assert!(order.certificate(Some("y.a.example")).is_none());
}

#[test]
fn a_good_certificate_is_served_on_when_nothing_is_stored_for_the_new_order() {
    let (folder, now) = (Folder::new(), now());
    let issued =
        |names: &[&str], to| Arc::new(Issued::from_pem(made(names, 1, to).as_bytes()).unwrap());
    let before = |names: &[&str], to| {
        let order = built(&folder.0, "", names).unwrap();
        order.slot.put(issued(names, to));
        order
    };
    let before = [
        before(&["a.example"], now + 900),
        before(&["a.example", "b.example", "c.example"], now - 9),
        before(&["a.example", "b.example"], now + 600),
        before(&["z.example"], now + 999),
    ];
    let (acme, names) = (
        "directory = \"https://ca.example/\"",
        &["b.example", "a.example"],
    );
    let order = rebuilt(&folder.0, acme, names, &before).unwrap();
    assert!(Arc::ptr_eq(
        &order.slot.issued().unwrap(),
        &before[2].slot.issued().unwrap()
    ));
    assert!(
        rebuilt(&folder.0, acme, &["d.example"], &before)
            .unwrap()
            .slot
            .issued()
            .is_none()
    );
    // It gives way to the own one, though that one ends sooner.
    let own = issued(names, now + 300);
    Work::new(order.clone(), None, now).serve(&own, now);
    assert!(Arc::ptr_eq(&order.slot.issued().unwrap(), &own));
    // Which is kept from then on.
    let again = rebuilt(&folder.0, acme, names, std::slice::from_ref(&order)).unwrap();
    assert!(Arc::ptr_eq(&again.slot.issued().unwrap(), &own));
}
