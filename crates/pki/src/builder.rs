//! The one way a certificate is put together and signed.

use der::{Encode, asn1::OctetString, oid::AssociatedOid};
use rustls_pki_types::CertificateDer;
use spki::{SubjectPublicKeyInfoOwned, SubjectPublicKeyInfoRef};
use x509_cert::{
    TbsCertificate,
    builder::{Builder, CertificateBuilder, Error, profile::BuilderProfile},
    ext::Extension,
    name::Name,
    serial_number::SerialNumber,
};

use crate::{
    Validity,
    key::{Signature, SigningKey},
    validity::x509_time,
};

/// Everything that is signed.
pub(crate) struct Template {
    pub(crate) issuer: Name,
    pub(crate) subject: Name,
    pub(crate) serial: SerialNumber,
    pub(crate) validity: Validity,
    pub(crate) public_key: SubjectPublicKeyInfoOwned,
    pub(crate) extensions: Vec<Extension>,
}

impl Template {
    pub(crate) fn sign(self, key: &SigningKey) -> Result<CertificateDer<'static>, Error> {
        let validity = x509_cert::time::Validity::new(
            x509_time(self.validity.not_before)?,
            x509_time(self.validity.not_after)?,
        );
        let names = Names {
            issuer: self.issuer,
            subject: self.subject,
            extensions: self.extensions,
        };
        let builder = CertificateBuilder::new(names, self.serial, validity, self.public_key)?;
        let certificate = builder.build::<_, Signature>(key)?;
        Ok(CertificateDer::from(certificate.to_der()?))
    }
}

/// 159 random bits: as many as 20 octets hold with the sign bit clear (RFC 5280 §4.1.2.2).
pub(crate) fn random_serial() -> Result<SerialNumber, Error> {
    let mut octets = [0; 20];
    aws_lc_rs::rand::fill(&mut octets).map_err(|_| signature::Error::new())?;
    octets[0] &= 0x7f;
    Ok(SerialNumber::new(&octets)?)
}

/// An extension with this value.
pub(crate) fn extension<T: Encode + AssociatedOid>(
    critical: bool,
    value: &T,
) -> Result<Extension, der::Error> {
    Ok(Extension {
        extn_id: T::OID,
        critical,
        extn_value: OctetString::new(value.to_der()?)?,
    })
}

/// A profile that adds nothing of its own: the issuer's name is the CA's, as it stands there.
struct Names {
    issuer: Name,
    subject: Name,
    extensions: Vec<Extension>,
}

impl BuilderProfile for Names {
    fn get_issuer(&self, _: &Name) -> Name {
        self.issuer.clone()
    }

    fn get_subject(&self) -> Name {
        self.subject.clone()
    }

    fn build_extensions(
        &self,
        _: SubjectPublicKeyInfoRef<'_>,
        _: SubjectPublicKeyInfoRef<'_>,
        _: &TbsCertificate,
    ) -> Result<Vec<Extension>, Error> {
        Ok(self.extensions.clone())
    }
}
