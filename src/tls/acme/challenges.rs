//! What a CA is answered while it looks whether a name is ours.

use super::shared::Shared;
use crate::tls::handshake::provider;
use aws_lc_rs::digest::{SHA256, digest};
use rcgen::{CertificateParams, CustomExtension, DistinguishedName, KeyPair};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs::sign::any_ecdsa_type;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use std::collections::HashMap;
use std::io;
use std::sync::{Arc, PoisonError, RwLock};

/// The protocol that a CA offers, alone, when it looks (RFC 8737 section 6.2).
pub const ALPN: &[u8] = b"acme-tls/1";
/// RFC 8555 section 8.1: at least 128 bits in base64url; CAs take up to 43 letters.
const LONGEST_TOKEN: usize = 128;
/// SHA-256 in base64url (RFC 7638).
const THUMBPRINT: usize = 43;

/// A question that a CA is going to ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// By HTTP, with a token.
    Http,
    /// By TLS, with a name.
    TlsAlpn,
}

impl Kind {
    /// As it stands in the keys of a Redis.
    fn word(self) -> &'static str {
        match self {
            Kind::Http => "http",
            Kind::TlsAlpn => "alpn",
        }
    }
}

/// All answers that are waited for now.
#[derive(Debug, Default)]
pub struct Challenges {
    /// Key authorisations (RFC 8555 section 8.1) by token.
    http: RwLock<HashMap<String, String>>,
    /// By name.
    tls_alpn: RwLock<HashMap<String, Arc<ServerConfig>>>,
}

/// An answer that is given as long as this lives.
#[derive(Debug)]
pub struct Published {
    challenges: Arc<Challenges>,
    kind: Kind,
    name: String,
}

impl Challenges {
    /// Answers from here on. `name`: the token or the name that is asked for.
    ///
    /// # Errors
    /// No certificate could be made for it.
    pub fn publish(
        self: &Arc<Self>,
        kind: Kind,
        name: &str,
        authorisation: &str,
    ) -> io::Result<Published> {
        match kind {
            Kind::Http => {
                let mut all = self.http.write().unwrap_or_else(PoisonError::into_inner);
                all.insert(name.to_string(), authorisation.to_string());
            }
            Kind::TlsAlpn => {
                let config = answer_by_tls(name, authorisation)?;
                let mut all = self
                    .tls_alpn
                    .write()
                    .unwrap_or_else(PoisonError::into_inner);
                all.insert(name.to_string(), config);
            }
        }
        Ok(Published {
            challenges: self.clone(),
            kind,
            name: name.to_string(),
        })
    }

    /// What is answered to who asks for this token; `shared`: where other edges' answers are.
    pub async fn http(&self, token: &str, shared: &[Arc<Shared>]) -> Option<String> {
        if !is_token(token) {
            return None;
        }
        let own = {
            let all = self.http.read().unwrap_or_else(PoisonError::into_inner);
            all.get(token).cloned()
        };
        match own {
            Some(own) => Some(own),
            None => elsewhere(Kind::Http, token, shared).await,
        }
    }

    /// What a connection for this name is answered with.
    pub async fn tls_alpn(&self, name: &str, shared: &[Arc<Shared>]) -> Option<Arc<ServerConfig>> {
        super::order::check_name(name).ok()?;
        let own = {
            let all = self.tls_alpn.read().unwrap_or_else(PoisonError::into_inner);
            all.get(name).cloned()
        };
        if own.is_some() {
            return own;
        }
        let authorisation = elsewhere(Kind::TlsAlpn, name, shared).await?;
        answer_by_tls(name, &authorisation).ok()
    }
}

impl Published {
    /// Has other edges answer too.
    ///
    /// # Errors
    /// Redis is away, or refuses.
    pub async fn share(&self, shared: &Arc<Shared>, authorisation: &str) -> io::Result<()> {
        shared
            .publish(self.kind.word(), &self.name, authorisation)
            .await
    }

    /// Has them forget it.
    pub async fn withdraw(&self, shared: &Arc<Shared>) {
        // It goes by itself when this fails.
        let _ = shared.withdraw(self.kind.word(), &self.name).await;
    }
}

impl Drop for Published {
    fn drop(&mut self) {
        let (http, tls_alpn) = (&self.challenges.http, &self.challenges.tls_alpn);
        match self.kind {
            Kind::Http => {
                http.write()
                    .unwrap_or_else(PoisonError::into_inner)
                    .remove(&self.name);
            }
            Kind::TlsAlpn => {
                tls_alpn
                    .write()
                    .unwrap_or_else(PoisonError::into_inner)
                    .remove(&self.name);
            }
        }
    }
}

async fn elsewhere(kind: Kind, name: &str, shared: &[Arc<Shared>]) -> Option<String> {
    for shared in shared {
        if let Ok(Some(answer)) = shared.answer(kind.word(), name).await
            && is_authorisation(kind, name, &answer)
        {
            return Some(answer);
        }
    }
    None
}

/// Whether it is a key authorisation (RFC 8555 section 8.1) for what is asked for: a token, a dot and
/// the thumbprint of an account's key. Whose account is not known: each edge may have its own.
fn is_authorisation(kind: Kind, name: &str, answer: &str) -> bool {
    let Some((token, thumbprint)) = answer.split_once('.') else {
        return false;
    };
    let asked = match kind {
        Kind::Http => token == name,
        Kind::TlsAlpn => is_token(token),
    };
    asked && thumbprint.len() == THUMBPRINT && is_token(thumbprint)
}

/// Whether it is base64url, and no longer than a token.
fn is_token(text: &str) -> bool {
    let letter = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    (1..=LONGEST_TOKEN).contains(&text.len()) && text.bytes().all(letter)
}

/// A certificate for this name alone, with the hash of the key authorisation in it (RFC 8737
/// section 3), for connections that speak `acme-tls/1`.
fn answer_by_tls(name: &str, authorisation: &str) -> io::Result<Arc<ServerConfig>> {
    let failed = |error: rcgen::Error| io::Error::other(error);
    let key = KeyPair::generate().map_err(failed)?;
    let mut params = CertificateParams::new(vec![name.to_string()]).map_err(failed)?;
    params.distinguished_name = DistinguishedName::new();
    let hash = digest(&SHA256, authorisation.as_bytes());
    params.custom_extensions = vec![CustomExtension::new_acme_identifier(hash.as_ref())];
    let certificate = params.self_signed(&key).map_err(failed)?;
    let der = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    // Without a look at the certificate: rustls would not know the extension, which is critical.
    let key = any_ecdsa_type(&der).map_err(io::Error::other)?;
    let certified = CertifiedKey::new(vec![certificate.der().clone()], key);
    let mut config = ServerConfig::builder_with_provider(provider().clone())
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
    config.alpn_protocols = vec![ALPN.to_vec()];
    // Each connection is looked at by itself, and closed.
    config.send_tls13_tickets = 0;
    Ok(Arc::new(config))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn answers_are_there_as_long_as_they_are_wanted() {
        let all = Arc::new(Challenges::default());
        let http = all
            .publish(Kind::Http, "token_-1", "token_-1.print")
            .unwrap();
        let alpn = all.publish(Kind::TlsAlpn, "a.example", "x.print").unwrap();
        assert_eq!(all.http("token_-1", &[]).await.unwrap(), "token_-1.print");
        let config = all.tls_alpn("a.example", &[]).await.unwrap();
        assert_eq!(config.alpn_protocols, [ALPN]);
        assert!(all.tls_alpn("b.example", &[]).await.is_none());
        for none in ["", "token", "../../etc/passwd", &"x".repeat(200)] {
            assert!(all.http(none, &[]).await.is_none(), "{none}");
        }
        drop((http, alpn));
        assert!(all.http("token_-1", &[]).await.is_none());
        assert!(all.tls_alpn("a.example", &[]).await.is_none());
    }

    #[test]
    fn what_other_edges_answer_is_a_key_authorisation_or_nothing() {
        let print = "x".repeat(THUMBPRINT);
        let is = |kind, name, answer: &str| is_authorisation(kind, name, answer);
        let sound = format!("token.{print}");
        assert!(is(Kind::Http, "token", &sound));
        assert!(is(Kind::TlsAlpn, "a.example", &sound));
        assert!(!is(Kind::Http, "other", &sound));
        let long = "x".repeat(LONGEST_TOKEN + 1);
        for wrong in [
            "",
            "token",
            "token.",
            "<script>",
            &print,
            &format!(".{print}"),
            &format!("token.{print}x"),
            &format!("token.{print}\n"),
            &format!("to ken.{print}"),
            &format!("token.{}", "<".repeat(THUMBPRINT)),
            &format!("{long}.{print}"),
        ] {
            assert!(!is(Kind::Http, "token", wrong), "{wrong}");
            assert!(!is(Kind::TlsAlpn, "a.example", wrong), "{wrong}");
        }
    }

    #[test]
    fn the_certificate_has_the_hash_in_a_critical_extension() {
        let made = |authorisation: &str| {
            let hash = digest(&SHA256, authorisation.as_bytes());
            CustomExtension::new_acme_identifier(hash.as_ref())
        };
        let extension = made("token.print");
        assert!(extension.criticality());
        let oid: Vec<u64> = extension.oid_components().collect();
        assert_eq!(oid, [1, 3, 6, 1, 5, 5, 7, 1, 31]);
        // An octet string of 32 bytes in the extension's own (RFC 8737 section 3).
        assert_eq!(extension.content()[..2], [4, 32]);
        assert_eq!(extension.content().len(), 34);
        assert_ne!(extension.content(), made("token.other").content());
    }
}
