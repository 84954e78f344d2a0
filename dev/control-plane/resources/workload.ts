import { invalid, required, type FieldError } from '../field-error.ts'
import { listAt, objectAt, objectsAt } from '../json-object.ts'
import type { KubeObject } from '../kube-object.ts'
import type { ResourceType } from '../resource-type.ts'

/*
 * Templates of pods, kept for who reads them. No controller makes pods of them here: a pod comes from whoever creates it.
 */

function validateTemplate(workload: KubeObject): readonly FieldError[] {
  const template = objectAt(workload.spec, 'template')
  const containers = objectsAt(objectAt(template, 'spec'), 'containers')
  return containers.length === 0 ? [required('spec.template.spec.containers')] : []
}

function validateSelected(workload: KubeObject, canBeEmpty = false): readonly FieldError[] {
  const { spec } = workload
  const selector = objectAt(spec, 'selector')
  const wanted = Object.entries(objectAt(selector, 'matchLabels'))
  const isEmpty = wanted.length === 0 && listAt(selector, 'matchExpressions').length === 0
  if (isEmpty && !canBeEmpty) {
    return [required('spec.selector'), ...validateTemplate(workload)]
  }
  const metadata = objectAt(objectAt(spec, 'template'), 'metadata')
  const labels = objectAt(metadata, 'labels')
  const rule = '`selector` does not match template `labels`'
  return [
    ...(!isEmpty && wanted.every(([key, value]) => labels[key] === value)
      ? []
      : [invalid('spec.template.metadata.labels', labels, rule)]),
    ...validateTemplate(workload),
  ]
}

function validateSchedule(workload: KubeObject): readonly FieldError[] {
  const spec = objectAt(objectAt(workload.spec, 'jobTemplate'), 'spec')
  const containers = objectsAt(objectAt(objectAt(spec, 'template'), 'spec'), 'containers')
  const field = 'spec.jobTemplate.spec.template.spec.containers'
  return containers.length === 0 ? [required(field)] : []
}

function workload(
  kind: string,
  group: 'apps' | 'batch',
  validate: (object: KubeObject) => readonly FieldError[],
): ResourceType {
  return {
    group,
    versions: ['v1'],
    plural: `${kind.toLowerCase()}s`,
    singular: kind.toLowerCase(),
    kind,
    namespaced: true,
    hasStatus: true,
    unconditionalUpdate: true,
    countsGenerations: true,
    selectableFields: { 'metadata.namespace': ({ metadata }) => metadata.namespace ?? '' },
    validateCreate: validate,
    validateUpdate: validate,
  }
}

export const workloads: readonly ResourceType[] = [
  workload('Deployment', 'apps', (object) => validateSelected(object)),
  workload('ReplicaSet', 'apps', (object) => validateSelected(object)),
  workload('StatefulSet', 'apps', (object) => validateSelected(object)),
  // An empty selector, which matches nothing here, is complained of as such.
  workload('DaemonSet', 'apps', (object) => validateSelected(object, true)),
  workload('Job', 'batch', validateTemplate),
  workload('CronJob', 'batch', validateSchedule),
]
