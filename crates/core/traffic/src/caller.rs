//! Our own programs that ask our own services: found by what they show or where they ask from.

use crate::chance::of_text;
use crate::place::Nets;
use std::collections::BTreeMap;
use std::net::IpAddr;
use types::{CallerId, config};

/// One of our own callers.
#[derive(Clone, Debug)]
pub struct Caller {
    /// Its name in the configuration.
    pub id: CallerId,
    pub(crate) number: u64,
    token: Vec<u8>,
}

/// All of them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Callers {
    all: Vec<Caller>,
    nets: Nets<usize>,
}

impl Callers {
    pub(crate) fn new(
        config: &BTreeMap<CallerId, config::Caller>,
        tokens: &BTreeMap<CallerId, Vec<u8>>,
    ) -> Self {
        let token = |id: &CallerId| tokens.get(id).cloned().unwrap_or_default();
        let all = config
            .keys()
            .map(|id| Caller { id: id.clone(), number: of_text(&id.0), token: token(id) })
            .collect();
        let nets = config
            .values()
            .enumerate()
            .flat_map(|(index, caller)| caller.cidrs.iter().map(move |net| (*net, index)));
        Self { all, nets: Nets::new(nets) }
    }

    /// By token, else by address. Every token is compared, so that the time taken tells nothing.
    pub(crate) fn find(&self, peer: IpAddr, token: Option<&[u8]>) -> Option<&Caller> {
        let shown = token.filter(|token| !token.is_empty()).and_then(|token| {
            self.all.iter().fold(None, |found, caller| {
                let same = tokens::constant_time_eq(&caller.token, token);
                if same { Some(caller) } else { found }
            })
        });
        shown.or_else(|| self.nets.covering(peer).next().and_then(|index| self.all.get(*index)))
    }
}
