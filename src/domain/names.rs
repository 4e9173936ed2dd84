//! First names for employees who are hired without one.

const NAMES: &[&str] = &[
    "Ada",
    "Linus",
    "Grace",
    "Ken",
    "Radia",
    "Dennis",
    "Margaret",
    "Edsger",
    "Barbara",
    "Alan",
    "Frances",
    "Donald",
    "Katherine",
    "Niklaus",
    "Hedy",
    "Claude",
    "Adele",
    "Tony",
    "Karen",
    "Vint",
    "Joan",
    "Leslie",
    "Mary",
    "John",
    "Shafi",
    "Robin",
    "Evelyn",
    "Bjarne",
    "Jean",
    "Guido",
    "Sophie",
    "Rob",
    "Lynn",
    "Brian",
    "Anita",
    "Douglas",
    "Betty",
    "Tim",
    "Susan",
    "Ivan",
];

/// The first name that is not taken; after the last one they go round with a number.
pub fn first_free(taken: impl Fn(&str) -> bool) -> String {
    let plain = NAMES.iter().map(|name| (*name).to_owned());
    let numbered =
        (2_u32..).flat_map(|round| NAMES.iter().map(move |name| format!("{name} {round}")));
    plain
        .chain(numbered)
        .find(|name| !taken(name))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_go_round_with_a_number_when_all_are_taken() {
        assert_eq!(first_free(|_| false), "Ada");
        assert_eq!(first_free(|name| name == "Ada"), "Linus");
        assert_eq!(first_free(|name| !name.ends_with(" 2")), "Ada 2");
    }
}
