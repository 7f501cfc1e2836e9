//! What the pods of a resource's workload are to be, as of its watch.

use api::{WorkloadKind, WorkloadRef};
use k8s_openapi::api::{
    apps::v1::{DaemonSet, Deployment, StatefulSet},
    core::v1::{PodSpec, PodTemplateSpec},
};
use kube::runtime::reflector::ObjectRef;

use crate::{context::Context, error::ObjectName, workload::Kind};

/// The specification of the pods of a workload, or why it is not known.
pub fn pod(context: &Context, workload: Option<&WorkloadRef>) -> Result<PodSpec, String> {
    let Some(workload) = workload else {
        return Err(
            "without spec.workloadRef it is not known what coturn trusts; name the workload there"
                .to_owned(),
        );
    };
    let name = &workload.name;
    let template = match workload.kind {
        WorkloadKind::StatefulSet => template(context, name, |it: &StatefulSet| {
            it.spec.as_ref().map(|spec| &spec.template)
        }),
        WorkloadKind::Deployment => template(context, name, |it: &Deployment| {
            it.spec.as_ref().map(|spec| &spec.template)
        }),
        WorkloadKind::DaemonSet => template(context, name, |it: &DaemonSet| {
            it.spec.as_ref().map(|spec| &spec.template)
        }),
    };
    let object = ObjectName::new(workload.kind.as_str(), &context.namespace, name);
    template.ok_or_else(|| {
        format!(
            "{object} is not known, so neither is what coturn trusts; create it, and have the chart's value \
             workloadKinds name its kind"
        )
    })
}

fn template<K: Kind>(
    context: &Context,
    name: &str,
    of: fn(&K) -> Option<&PodTemplateSpec>,
) -> Option<PodSpec> {
    let known = K::known(&context.workloads)?;
    let reference = ObjectRef::<K>::new(name).within(&context.namespace);
    let workload = known.store.get(&reference)?;
    of(&workload)?.spec.clone()
}
