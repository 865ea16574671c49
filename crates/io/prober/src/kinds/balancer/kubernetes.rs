//! Kubernetes: EndpointSlices of a service (API `discovery.k8s.io/v1`).
//!
//! Of the conditions, an absent `ready` or `serving` means true, an absent `terminating` false. A pod with addresses of both
//! families is in two slices and counts once.

use super::Members;
use super::selection::Selection;
use super::unusable::{Unusable, not_json};
use serde::Deserialize;
use std::collections::BTreeMap;
use types::pool::{MemberState, PoolMember};

/// The label of a slice that names its service.
const SERVICE: &str = "kubernetes.io/service-name";

#[derive(Deserialize)]
struct Slices {
    kind: String,
    #[serde(default)]
    items: Vec<Slice>,
    #[serde(default)]
    message: String,
}

#[derive(Deserialize)]
struct Slice {
    #[serde(default)]
    metadata: Metadata,
    /// `null` for a service without pods.
    endpoints: Option<Vec<Endpoint>>,
}

#[derive(Default, Deserialize)]
struct Metadata {
    #[serde(default)]
    labels: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Endpoint {
    #[serde(default)]
    addresses: Vec<String>,
    #[serde(default)]
    conditions: Conditions,
    #[serde(rename = "targetRef")]
    target: Option<Target>,
}

#[derive(Default, Deserialize)]
struct Conditions {
    ready: Option<bool>,
    serving: Option<bool>,
    terminating: Option<bool>,
}

#[derive(Deserialize)]
struct Target {
    name: Option<String>,
}

/// The page of the slices of `NAMESPACE/SERVICE`; of a service in the namespace `default` without one.
pub(super) fn path(selection: &Selection<'_>) -> String {
    let wanted = selection.backend.unwrap_or(selection.pool);
    let (namespace, service) = wanted.split_once('/').unwrap_or(("default", wanted));
    let label: String = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("labelSelector", &format!("{SERVICE}={service}"))
        .finish();
    let namespace: String = url::form_urlencoded::byte_serialize(namespace.as_bytes()).collect();
    format!("/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices?{label}")
}

/// The endpoints of the service.
pub(super) fn members(answer: &[u8], selection: &Selection<'_>) -> Result<Members, Unusable> {
    let slices: Slices = serde_json::from_slice(answer).map_err(|error| not_json(&error))?;
    if slices.kind != "EndpointSliceList" {
        let why = text::truncate::chars(&format!("it is a {} ({})", slices.kind, slices.message), 120);
        return Err(Unusable::Format { expected: "an EndpointSliceList", why });
    }
    let names: Vec<&str> = slices.items.iter().map(service_of).collect();
    let wanted = selection.backend.map(|backend| backend.rsplit('/').next().unwrap_or(backend));
    let chosen = Selection { backend: wanted, ..*selection }.choose(names)?;
    let mut members: BTreeMap<String, PoolMember> = BTreeMap::new();
    let endpoints = slices
        .items
        .iter()
        .filter(|slice| service_of(slice) == chosen)
        .flat_map(|slice| &slice.endpoints)
        .flatten();
    for endpoint in endpoints {
        let pod = endpoint.target.as_ref().and_then(|target| target.name.clone());
        let Some(name) = pod.or_else(|| endpoint.addresses.first().cloned()) else { continue };
        let member = member(name, &endpoint.conditions);
        // Of two families the one that serves counts.
        let known = members.get(&member.name);
        if known.is_none_or(|known| member.state < known.state) {
            members.insert(member.name.clone(), member);
        }
    }
    Ok(Members { queued: 0, members: members.into_values().collect() })
}

/// The service of a slice.
fn service_of(slice: &Slice) -> &str {
    slice.metadata.labels.get(SERVICE).map_or("", String::as_str)
}

fn member(name: String, conditions: &Conditions) -> PoolMember {
    let (state, why) = match (conditions.terminating, conditions.ready, conditions.serving) {
        (Some(true), _, serving) => {
            let why =
                if serving == Some(false) { "terminating, and no longer serving" } else { "terminating" };
            (MemberState::Draining, Some(why))
        }
        (_, Some(false), _) => (MemberState::Down, Some("not ready: its readiness probe fails")),
        _ => (MemberState::Serving, None),
    };
    PoolMember { why: why.map(str::to_owned), ..PoolMember::new(name, state) }
}

#[cfg(test)]
mod tests {
    use super::super::selection::selection;
    use super::super::states;
    use super::*;
    use proptest::prelude::*;

    /// In the shape of the reference of its API.
    const SLICES: &str = r#"{"kind":"EndpointSliceList","apiVersion":"discovery.k8s.io/v1","metadata":{"resourceVersion":"7"},"items":[
        {"metadata":{"name":"api-abc","namespace":"shop","labels":{"kubernetes.io/service-name":"api"}},"addressType":"IPv4","endpoints":[
          {"addresses":["10.1.0.1"],"conditions":{"ready":true,"serving":true,"terminating":false},"targetRef":{"kind":"Pod","name":"api-1"},"nodeName":"n1"},
          {"addresses":["10.1.0.2"],"conditions":{"ready":false,"serving":false,"terminating":false},"targetRef":{"kind":"Pod","name":"api-2"}},
          {"addresses":["10.1.0.3"],"conditions":{"ready":false,"serving":true,"terminating":true},"targetRef":{"kind":"Pod","name":"api-3"}},
          {"addresses":["10.1.0.4"],"conditions":{}}],"ports":[{"name":"http","port":8080}]},
        {"metadata":{"name":"api-v6","labels":{"kubernetes.io/service-name":"api"}},"addressType":"IPv6","endpoints":[
          {"addresses":["fd00::1"],"conditions":{"ready":true},"targetRef":{"kind":"Pod","name":"api-1"}}]},
        {"metadata":{"name":"empty","labels":{"kubernetes.io/service-name":"api"}},"addressType":"IPv4","endpoints":null}]}"#;

    #[test]
    fn conditions_are_read() {
        for backend in [None, Some("shop/api")] {
            let read = members(SLICES.as_bytes(), &selection(backend)).unwrap();
            insta::allow_duplicates! {
                insta::assert_snapshot!(states(&read), @r#"
                10.1.0.4 serving None
                api-1 serving None
                api-2 down Some("not ready: its readiness probe fails")
                api-3 draining Some("terminating")
                "#);
            }
        }
    }

    #[test]
    fn page_is_made_from_the_name_and_a_status_is_no_list() {
        for (backend, page) in [
            (None, "default/endpointslices?labelSelector=kubernetes.io%2Fservice-name%3Dapi"),
            (Some("shop/api"), "shop/endpointslices?labelSelector=kubernetes.io%2Fservice-name%3Dapi"),
            (Some("a?b/c&d"), "a%3Fb/endpointslices?labelSelector=kubernetes.io%2Fservice-name%3Dc%26d"),
        ] {
            assert_eq!(path(&selection(backend)), format!("/apis/discovery.k8s.io/v1/namespaces/{page}"));
        }
        let status =
            br#"{"kind":"Status","status":"Failure","message":"endpointslices is forbidden","code":403}"#;
        let error = members(status, &selection(None)).unwrap_err().to_string();
        assert!(error.contains("it is a Status (endpointslices is forbidden)"), "{error}");
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "([{}\\[\\]:,]|\"(kind|EndpointSliceList|items|endpoints|addresses)\"|-?[0-9]{1,30}|null){0,60}", cut in 0..SLICES.len()) {
            let _ = members(text.as_bytes(), &selection(None));
            let _ = members(SLICES.get(..cut).unwrap_or_default().as_bytes(), &selection(None));
        }
    }
}
