//! Figures on generated systems.

use super::worlds::{Fault, Style, world};
use super::{figures, silent};

#[test]
fn causes_in_generated_systems_are_ranked_first() {
    // A slow network before a node without caller-side latency shows at its callers only.
    for (style, fault, top_1, named) in [
        (Style::Full, Fault::Cpu, 0.95, 0.8),
        (Style::Full, Fault::Slow, 0.85, 0.55),
        (Style::Full, Fault::Network, 0.8, 0.5),
        (Style::Full, Fault::Errors, 0.9, 0.6),
        (Style::Sparse, Fault::Cpu, 0.8, 0.5),
        (Style::Sparse, Fault::Slow, 0.8, 0.5),
        (Style::Sparse, Fault::Errors, 0.8, 0.5),
    ] {
        let cases: Vec<_> = (0..100).map(|seed| world(seed, style, fault)).collect();
        let found = figures(&cases);
        println!("{style:?} {fault:?}: {found:.2?}");
        assert!(found.top_1 >= top_1 && found.named >= named, "{style:?} {fault:?} {found:?}");
    }
}

#[test]
fn generated_systems_without_a_fault_do_not_stand_out() {
    for style in [Style::Full, Style::Sparse] {
        let cases: Vec<_> = (1_000..1_150).map(|seed| world(seed, style, Fault::None).case).collect();
        let share = silent(&cases);
        println!("{style:?} without a fault: nothing stands out in {share:.3}");
        assert!(share >= 0.9, "{style:?} {share}");
    }
}
