//! Bounds, variants and purges.

use super::*;
use crate::cache::entry::Draft;
use crate::cache::storable::Terms;
use crate::cache::variant::Variant;
use bytes::Bytes;
use http::StatusCode;
use proptest::prelude::*;

fn entry(accept: &str, length: usize) -> Arc<Entry> {
    let request: HeaderMap = [(http::header::ACCEPT, accept.parse().unwrap())].into_iter().collect();
    let vary: HeaderMap = [(http::header::VARY, "accept".parse().unwrap())].into_iter().collect();
    let draft = Draft {
        status: StatusCode::OK,
        headers: HeaderMap::new(),
        variant: Variant::new(&[], &request, &vary).unwrap(),
        terms: Terms::default(),
        at: Tick(0),
    };
    Arc::new(Entry::new(draft, Bytes::from(vec![b'x'; length])))
}

fn key(path: &str) -> String {
    format!("auth\nhttps\na.test\n{path}")
}

fn put(cache: &ResponseCache, path: &str, entry: Arc<Entry>) {
    let key = key(path);
    cache.put(&key, cache.generation(&key), entry);
}

#[test]
fn variants_of_a_url_are_bounded_and_the_newest_stay() {
    let cache = ResponseCache::new(1_000_000);
    for number in 0..VARIANTS_MAX + 3 {
        put(&cache, "/", entry(&format!("a/{number}"), 10));
    }
    put(&cache, "/", entry("a/9", 20));
    let slot = cache.get(&key("/")).unwrap();
    assert_eq!(slot.variants.len(), VARIANTS_MAX);
    assert_eq!(slot.variants.iter().filter(|entry| entry.body.len() == 20).count(), 1, "replaced, not added");
}

#[test]
fn purge_covers_a_path_with_its_queries_and_what_is_below() {
    let paths = ["/a", "/a?x=1", "/a?x=2", "/a/b", "/ab"];
    for (purged, count) in [
        (None, 5),
        (Some("/a"), 3),
        (Some("/a?x=1"), 1),
        (Some("/a/*"), 1),
        (Some("/a*"), 5),
        (Some("/c"), 0),
    ] {
        let cache = ResponseCache::new(1_000_000);
        paths.iter().for_each(|path| put(&cache, path, entry("a", 10)));
        assert_eq!(cache.purge(Purge { service: "other", path: purged }), 0);
        assert_eq!(cache.purge(Purge { service: "auth", path: purged }), count, "{purged:?}");
        assert_eq!(cache.usage()[2], 5 - count);
    }
}

#[test]
fn response_that_was_purged_while_it_came_is_not_stored() {
    let cache = ResponseCache::new(1_000_000);
    for purge in [true, false] {
        let generation = cache.generation(&key("/"));
        if purge {
            cache.purge(Purge { service: "auth", path: None });
        } else {
            cache.invalidate(&key("/"));
        }
        cache.put(&key("/"), generation, entry("a", 10));
        assert!(cache.get(&key("/")).is_none());
    }
}

#[test]
fn response_that_is_not_stored_marks_its_url_and_drops_the_one_it_replaces() {
    let cache = ResponseCache::new(1_000_000);
    put(&cache, "/", entry("a", 10));
    let stored = Arc::clone(&cache.get(&key("/")).unwrap().variants[0]);
    cache.mark_alone(&key("/"), Tick(1), None);
    let slot = cache.get(&key("/")).unwrap();
    assert!(slot.is_alone(Tick(1)) && !slot.is_alone(Tick(31_000_000)) && !slot.is_empty());
    cache.mark_alone(&key("/"), Tick(2), Some(&stored));
    assert!(cache.get(&key("/")).unwrap().is_empty());
}

proptest! {
    #[test]
    fn bytes_stay_within_bounds(puts in prop::collection::vec((0..200_usize, 0..40_000_usize), 1..200), capacity in 100_000..400_000_u64) {
        let cache = ResponseCache::new(capacity);
        for (path, length) in puts {
            put(&cache, &format!("/{path}"), entry("a", length));
            let [used, allowed, _] = cache.usage();
            prop_assert!(used <= allowed && allowed < capacity + SHARDS as u64);
        }
        cache.resize(50_000);
        prop_assert!(cache.usage()[0] <= 50_000 + SHARDS as u64);
    }
}
