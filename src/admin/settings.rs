//! `[admin]`.

use crate::config::{At, Diagnostic, Diagnostics, Node, OrOff, Place, Text, Value, table};
use std::net::{Ipv4Addr, SocketAddr};

table! {
    /// The operator's own listener: `/metrics`, `/status`, `/reload`, `/health`, `/dashboard`. Without
    /// a token, all but `/metrics` must be asked for by an address or as localhost.
    pub struct AdminSettings {
        /// Where it listens; `"off"`: nowhere. An address that others can reach needs a `token`.
        listen: At<OrOff<AdminAddress>> = AdminAddress::default_listen(),
        /// With a token, all but `/health` and the files of `/dashboard` (which ask for it) needs
        /// `Authorization: Bearer TOKEN`.
        token: Text = Text::literal(""),
    }
}

/// Where the admin interface listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AdminAddress(pub SocketAddr);

impl AdminAddress {
    fn default_listen() -> At<OrOff<Self>> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 9180));
        At {
            value: OrOff::On(AdminAddress(address)),
            place: Place::default(),
        }
    }
}

impl Value for AdminAddress {
    fn kind() -> String {
        "address".to_string()
    }
    fn read(node: &Node<'_>, errors: &mut Diagnostics) -> Option<Self> {
        let text = Text::read(node, errors)?;
        let address = text.text.parse().ok().map(AdminAddress);
        if address.is_none() {
            errors.push(
                Diagnostic::new(node.place, text.for_messages("address"))
                    .label("expected \"address:port\", such as \"127.0.0.1:9180\", or \"off\""),
            );
        }
        address
    }
    fn show(&self) -> String {
        format!("{:?}", self.0.to_string())
    }
}

impl AdminSettings {
    /// The address, when the interface is on.
    ///
    /// A listener that others can reach without a token is a mistake in `errors`.
    pub fn address(&self, errors: &mut Diagnostics) -> Option<SocketAddr> {
        let AdminAddress(address) = self.listen.value.clone().on()?;
        if !address.ip().to_canonical().is_loopback() && self.token.text.is_empty() {
            errors.push(
                Diagnostic::new(
                    self.listen.place,
                    format!("the admin interface on {address} can be reached by others and has no token"),
                )
                .label("not a loopback address")
                .help("set `token`, for instance token = { env = \"PARVIS_ADMIN_TOKEN\" }, or listen on 127.0.0.1"),
            );
        }
        Some(address)
    }
}
