//! Declared callers: the team's own programs, identified by token or by address.

use crate::cidr_map::CidrMap;
use crate::random::hash_text;
use secrecy::{ExposeSecret as _, SecretString};
use std::collections::BTreeMap;
use std::net::IpAddr;
use subtle::ConstantTimeEq as _;
use types::{CallerId, config};

/// A declared caller.
#[derive(Clone, Debug)]
pub struct Caller {
    /// Its name in the configuration.
    pub id: CallerId,
    pub(crate) number: u64,
    token: SecretString,
}

/// All of them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Callers {
    all: Vec<Caller>,
    nets: CidrMap<usize>,
}

impl Callers {
    pub(crate) fn new(
        config: &BTreeMap<CallerId, config::Caller>,
        tokens: &BTreeMap<CallerId, SecretString>,
    ) -> Self {
        let token = |id: &CallerId| tokens.get(id).cloned().unwrap_or_default();
        let all = config
            .keys()
            .map(|id| Caller { id: id.clone(), number: hash_text(&id.0), token: token(id) })
            .collect();
        let nets = config
            .values()
            .enumerate()
            .flat_map(|(index, caller)| caller.cidrs.iter().map(move |net| (*net, index)));
        Self { all, nets: CidrMap::new(nets) }
    }

    /// Finds a caller by token, otherwise by address. Every token is compared, so that the time taken reveals
    /// nothing.
    pub(crate) fn find(&self, peer: IpAddr, token: Option<&[u8]>) -> Option<&Caller> {
        let shown = token.filter(|token| !token.is_empty()).and_then(|token| {
            self.all.iter().fold(None, |found, caller| {
                let same = bool::from(caller.token.expose_secret().as_bytes().ct_eq(token));
                if same { Some(caller) } else { found }
            })
        });
        shown.or_else(|| self.nets.covering(peer).next().and_then(|index| self.all.get(*index)))
    }
}
