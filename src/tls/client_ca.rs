//! Clients that show certificates.

use super::facts::{Facts, day};
use super::handshake::provider;
use super::pem::PemFile;
use super::settings::ClientAuth;
use crate::config::{At, Diagnostic, Diagnostics, FilePath};
use aws_lc_rs::digest::{Context, SHA256};
use rustls::RootCertStore;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use std::sync::Arc;

/// Whose certificates clients show.
#[derive(Debug)]
pub struct ClientCa {
    /// Checks them.
    pub verifier: Arc<dyn ClientCertVerifier>,
    /// Whether one must be shown.
    pub required: bool,
    /// A digest of everything on which it depends who gets in.
    pub digest: [u8; 32],
}

impl ClientCa {
    /// Reads the authorities' certificates. `now`: seconds since the Unix epoch. `None` when they
    /// cannot be used, which is then in `errors`.
    pub fn load(
        file: &At<FilePath>,
        auth: ClientAuth,
        now: i64,
        errors: &mut Diagnostics,
    ) -> Option<ClientCa> {
        let path = &file.value.0;
        let shown = path.display();
        let chain = PemFile::read(path, "certificates of authorities, in PEM")
            .and_then(|file| file.chain(path));
        let chain = chain
            .map_err(|fault| errors.push(fault.at(file.place)))
            .ok()?;
        let mut roots = RootCertStore::empty();
        let mut digest = Context::new(&SHA256);
        let required = auth == ClientAuth::Required;
        digest.update(&[u8::from(required)]);
        for (index, der) in chain.into_iter().enumerate() {
            digest.update(&(der.len() as u64).to_be_bytes());
            digest.update(&der);
            let facts = Facts::of(&der);
            let added = roots.add(der).map_err(|error| error.to_string());
            let facts = match facts.and_then(|facts| added.map(|()| facts)) {
                Ok(facts) => facts,
                Err(why) => {
                    let number = index.saturating_add(1);
                    let what = format!("certificate {number} in {shown} cannot be read: {why}");
                    errors.push(
                        Diagnostic::new(file.place, what)
                            .label("no certificate of an authority")
                            .help("was it cut off, or changed by an editor? copy it again"),
                    );
                    return None;
                }
            };
            if !facts.is_authority {
                let subject = &facts.subject;
                let what = format!("the certificate {subject:?} in {shown} is no authority's");
                errors.push(
                    Diagnostic::new(file.place, what)
                        .label("whoever has its key could issue identities that are accepted here")
                        .help("name the authority that issued it: its certificate says CA:TRUE; only a very old one does not")
                        .warning(),
                );
            }
            if facts.not_after < now {
                let (subject, end) = (&facts.subject, day(facts.not_after));
                let what = format!("the authority {subject:?} in {shown} expired on {end}");
                errors.push(
                    Diagnostic::new(file.place, what)
                        .label("its clients' certificates are accepted all the same")
                        .help("take it out when it has no clients any more")
                        .warning(),
                );
            }
        }
        let builder =
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider().clone());
        let builder = match auth {
            ClientAuth::Required => builder,
            ClientAuth::Optional => builder.allow_unauthenticated(),
        };
        let verifier = builder.build().map_err(|error| {
            let what = format!("the authorities in {shown} cannot be used: {error}");
            errors.push(Diagnostic::new(file.place, what).label("named here"));
        });
        let digest = digest.finish();
        Some(ClientCa {
            verifier: verifier.ok()?,
            required,
            digest: digest.as_ref().try_into().ok()?,
        })
    }
}
