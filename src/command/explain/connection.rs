//! What happens before a request: where the client connects, and which certificate it sees.

use super::Question;
use crate::admin;
use crate::edge::{Edge, Site};
use crate::tls::CertificateSource;
use std::net::SocketAddr;

/// The listeners that the request may reach; `None`: the answer is in the lines.
pub fn listeners(
    lines: &mut Vec<String>,
    edge: &Edge,
    question: &Question,
) -> Option<Vec<SocketAddr>> {
    let named = |all: &[SocketAddr]| {
        let all: Vec<String> = all.iter().map(ToString::to_string).collect();
        all.join(", ")
    };
    let all = edge.listeners();
    let on_port = all.iter().copied().filter(|l| l.port() == question.port);
    let mut reached: Vec<SocketAddr> = on_port.collect();
    let nowhere = reached.is_empty();
    if nowhere {
        reached = all.to_vec();
    }
    let speaking = reached.iter().copied();
    let speaking = speaking.filter(|l| edge.listener(*l).tls == question.tls);
    let speaking: Vec<SocketAddr> = speaking.collect();
    let spoken = !speaking.is_empty();
    if spoken {
        reached = speaking;
    }
    if nowhere {
        lines.push(format!(
            "note      nothing listens on port {}; looking at {}",
            question.port,
            named(&reached)
        ));
    }
    match (spoken, question.tls) {
        (true, _) => {}
        (false, true) => lines.push(format!("note      no TLS is spoken on {}", named(&reached))),
        (false, false) => {
            lines.push(format!(
                "answer    400: TLS is spoken on {}; ask with https://",
                named(&reached)
            ));
            return None;
        }
    }
    Some(reached)
}

/// What a client sees in its handshake, and the site whose certificate that is; `None`: it is
/// refused.
pub fn handshake_lines<'a>(
    lines: &mut Vec<String>,
    edge: &'a Edge,
    listener: SocketAddr,
    name: Option<&str>,
) -> Option<&'a Site> {
    let whose = name.and_then(|name| edge.find_site(listener, name.as_bytes()));
    let Some(site) = edge.site_for_handshake(listener, name) else {
        lines.push(
            "answer    the handshake is refused (unrecognized_name): no site has this name, and \
             tls.unknown_sni is \"reject\""
                .to_string(),
        );
        return None;
    };
    let why = match whose {
        Some(_) => "",
        None => ", as no site has this name",
    };
    lines.push(format!(
        "tls       shows a certificate of the site {}{why}   {}",
        site.name,
        edge.sources.line(site.place)
    ));
    let all = admin::certificates(edge, admin::now()).into_iter();
    for one in all.filter(|one| one.site == site.name) {
        let from = match one.certificate.source {
            CertificateSource::StandIn => "self-signed, until ACME has one".to_string(),
            CertificateSource::Acme => "by ACME".to_string(),
            CertificateSource::File { .. } => one.label(),
        };
        let (key, end) = (&one.certificate.key, one.end());
        lines.push(format!("cert      {from}, {key}, {end}"));
    }
    if let Some(tls) = site.tls.as_ref().filter(|tls| tls.asks_for_certificate()) {
        lines.push(match tls.requires_certificate() {
            true => "client    must show a certificate".to_string(),
            false => "client    may show a certificate".to_string(),
        });
    }
    Some(site)
}
