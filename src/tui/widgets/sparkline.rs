//! A curve in one row of text.

const STEPS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// The last values as bars, the newest at the right; the top of the scale is `top`, or the highest
/// value where that is more.
pub(crate) fn sparkline(
    values: impl ExactSizeIterator<Item = f64> + Clone,
    columns: usize,
    top: f64,
) -> String {
    let skip = values.len().saturating_sub(columns);
    let shown = values.skip(skip);
    let top = shown.clone().fold(top, f64::max);
    shown
        .map(|value| {
            let share = if top > 0.0 {
                (value / top).clamp(0.0, 1.0)
            } else {
                0.0
            };
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "0 to 7"
            )]
            let step = (share * 7.0).round() as usize;
            STEPS[step.min(7)]
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_values_are_shown_against_the_top() {
        let values = [0.0, 50.0, 100.0, 25.0];
        assert_eq!(sparkline(values.into_iter(), 4, 100.0), "▁▅█▃");
        assert_eq!(sparkline(values.into_iter(), 2, 100.0), "█▃");
        assert_eq!(sparkline([0.0, 0.0].into_iter(), 4, 0.0), "▁▁");
        assert_eq!(sparkline([].into_iter(), 4, 1.0), "");
    }
}
