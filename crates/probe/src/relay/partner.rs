//! Whom a relay is asked for.

use std::{fmt, str::FromStr};

/// The longest name of a host (RFC 1035, section 2.3.4).
const LONGEST_NAME: usize = 253;

/// A partner's federation port.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Partner {
    /// A DNS name, in lower case, or an IP address; IPv6 without brackets.
    pub host: String,
    /// UDP port.
    pub port: u16,
}

/// A text that names no partner.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no partner: HOST:PORT is one, as in coturn.partner.example:9191")]
pub struct PartnerError(String);

impl Partner {
    /// What a client says that it looks for (RFC 6066, section 3): no IP address.
    pub(crate) fn server_name(&self) -> Option<&str> {
        let is_address = self.host.parse::<std::net::IpAddr>().is_ok();
        (!is_address).then_some(self.host.as_str())
    }
}

impl FromStr for Partner {
    type Err = PartnerError;

    fn from_str(text: &str) -> Result<Self, PartnerError> {
        let error = || PartnerError(text.chars().take(LONGEST_NAME).collect());
        let (host, port) = text.rsplit_once(':').ok_or_else(error)?;
        let bracketed = host.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
        let host = bracketed.unwrap_or(host).to_ascii_lowercase();
        let is_address = host.parse::<std::net::IpAddr>().is_ok();
        let is_name = host
            .chars()
            .all(|it| it.is_ascii_alphanumeric() || ['-', '.', '_'].contains(&it));
        let port = port.parse().ok().filter(|port| *port != 0);
        match port {
            Some(port)
                if !host.is_empty() && host.len() <= LONGEST_NAME && (is_address || is_name) =>
            {
                Ok(Self { host, port })
            }
            Some(_) | None => Err(error()),
        }
    }
}

impl fmt::Display for Partner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::a_name("coturn.partner.example:9191")]
    #[case::an_address("192.0.2.7:9191")]
    #[case::of_ipv6("[2001:db8::7]:9191")]
    fn a_partner_is_shown_as_it_was_named(#[case] text: &str) {
        assert_eq!(text.parse::<Partner>().unwrap().to_string(), text);
    }

    #[rstest]
    #[case::no_port("coturn.partner.example")]
    #[case::port_0("coturn.partner.example:0")]
    #[case::no_host(":9191")]
    #[case::a_line_more("a\nb:9191")]
    #[case::too_large("host:65536")]
    fn what_names_no_port_of_a_host_is_refused(#[case] text: &str) {
        let error = text.parse::<Partner>().unwrap_err();
        assert!(error.to_string().contains("HOST:PORT"), "{error}");
    }
}
