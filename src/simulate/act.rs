//! What an animal can do: words of the vocabulary of `MABe`.

use crate::behavior::Kind;

/// One thing that an animal does at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Act {
    /// Walks about, stops, looks: what no lab has a label for.
    Explore,
    Rest,
    Run,
    Rear,
    Selfgroom,
    Dig,
    Freeze,
    Approach,
    Sniff,
    Sniffgenital,
    Follow,
    Chase,
    Attack,
    Mount,
    Escape,
    Avoid,
    Submit,
    Huddle,
    Tussle,
    Reciprocalsniff,
}

/// Whom an act takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Company {
    Alone,
    /// Towards another, who may do anything else.
    Towards,
    /// Both do it, or neither.
    Together,
}

impl Act {
    pub const ALL: [Self; 20] = [
        Self::Explore,
        Self::Rest,
        Self::Run,
        Self::Rear,
        Self::Selfgroom,
        Self::Dig,
        Self::Freeze,
        Self::Approach,
        Self::Sniff,
        Self::Sniffgenital,
        Self::Follow,
        Self::Chase,
        Self::Attack,
        Self::Mount,
        Self::Escape,
        Self::Avoid,
        Self::Submit,
        Self::Huddle,
        Self::Tussle,
        Self::Reciprocalsniff,
    ];

    /// The word for it in labels.
    pub fn name(self) -> &'static str {
        match self {
            Self::Explore => "explore",
            Self::Rest => "rest",
            Self::Run => "run",
            Self::Rear => "rear",
            Self::Selfgroom => "selfgroom",
            Self::Dig => "dig",
            Self::Freeze => "freeze",
            Self::Approach => "approach",
            Self::Sniff => "sniff",
            Self::Sniffgenital => "sniffgenital",
            Self::Follow => "follow",
            Self::Chase => "chase",
            Self::Attack => "attack",
            Self::Mount => "mount",
            Self::Escape => "escape",
            Self::Avoid => "avoid",
            Self::Submit => "submit",
            Self::Huddle => "huddle",
            Self::Tussle => "tussle",
            Self::Reciprocalsniff => "reciprocalsniff",
        }
    }

    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|act| act.name() == name)
    }

    pub fn company(self) -> Company {
        match self {
            Self::Explore | Self::Rest | Self::Run | Self::Rear | Self::Selfgroom | Self::Dig | Self::Freeze => {
                Company::Alone
            }
            Self::Huddle | Self::Tussle | Self::Reciprocalsniff => Company::Together,
            _ => Company::Towards,
        }
    }

    /// How its label involves animals.
    pub fn kind(self) -> Kind {
        match self.company() {
            Company::Alone => Kind::OfSelf,
            Company::Towards => Kind::Directed,
            Company::Together => Kind::Mutual,
        }
    }

    /// Whether it begins at arm's length: from further away the animal approaches first.
    pub fn needs_contact(self) -> bool {
        matches!(
            self,
            Self::Sniff
                | Self::Sniffgenital
                | Self::Attack
                | Self::Mount
                | Self::Huddle
                | Self::Tussle
                | Self::Reciprocalsniff
        )
    }

    /// What an animal does because of another, and never of its own accord.
    pub fn is_answer(self) -> bool {
        matches!(self, Self::Escape | Self::Avoid | Self::Submit | Self::Freeze)
    }
}
