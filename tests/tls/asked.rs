//! Names that the application is asked about while a client waits.

use super::{SECURED, failures};
use crate::support::certificates::Authority;
use crate::support::secure::{Secure, trusting};
use crate::support::{Parvis, until};
use std::net::TcpListener;

#[test]
fn who_waits_for_a_certificate_in_vain_is_shown_the_stand_in() {
    // It takes questions, and never answers.
    let app = TcpListener::bind("127.0.0.1:0").unwrap();
    let parvis = Parvis::start(&format!(
        "[server.connections]\nhandshake_timeout = \"2s\"\n[tls]\nstorage = \"@DIR/acme\"\n\
         [[site]]\nname = \"a\"\nlisten = [{SECURED}]\n\
         tls = {{ acme = {{ directory = \"https://127.0.0.1:9/\", on_demand = {{ ask = \"http://{}/ask\" }} }} }}\n\
         [[site.route]]\npath = \"/*\"\nrespond = {{}}\n",
        app.local_addr().unwrap()
    ));
    let config = trusting(&Authority::new());
    let error = Secure::try_open(parvis.address(), "a.test", &config);
    let error = error.err().unwrap();
    assert!(
        error.to_string().contains("invalid peer certificate"),
        "{error}"
    );
    assert_eq!(failures(&parvis, "timeout"), 0.0);
    until("its refusal is counted", || {
        (failures(&parvis, "client_alert") == 1.0).then_some(())
    });
}
