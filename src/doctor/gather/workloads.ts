import type { Fact } from '../facts.ts'
import { at, jsonOf, listAt, membersOf, textAt, textMapAt } from '../lenient.ts'
import type {
  Labelled,
  OwnerFact,
  PodFact,
  TemplateFact,
  VolumeFact,
  VolumesFact,
} from '../workload-facts.ts'
import { learnList, type Asker } from './learn.ts'

/** Labels and annotations that look like ours, misspelt domains among them. */
function isOurs(key: string): boolean {
  return /countersign/i.test(key)
}

function readLabelled(raw: unknown): Labelled {
  return {
    namespace: textAt(raw, 'metadata', 'namespace'),
    name: textAt(raw, 'metadata', 'name'),
    labels: textMapAt(raw, ['metadata', 'labels'], isOurs),
    annotations: textMapAt(raw, ['metadata', 'annotations'], isOurs),
  }
}

export function learnNamespaces(asker: Asker): Promise<Fact<readonly Labelled[]>> {
  return learnList(asker, { path: '/api/v1/namespaces', right: 'list namespaces' }, readLabelled)
}

export function learnServiceAccounts(asker: Asker): Promise<Fact<readonly Labelled[]>> {
  const listed = { path: '/api/v1/serviceaccounts', right: 'list serviceaccounts' }
  return learnList(asker, listed, readLabelled)
}

export function learnPods(asker: Asker): Promise<Fact<readonly PodFact[]>> {
  return learnList(asker, { path: '/api/v1/pods', right: 'list pods' }, readPod)
}

function readPod(raw: unknown): PodFact {
  const conditions = listAt(raw, 'status', 'conditions')
  return {
    ...readLabelled(raw),
    ...readVolumes(at(raw, 'spec'), raw),
    uid: textAt(raw, 'metadata', 'uid'),
    nodeName: textAt(raw, 'spec', 'nodeName'),
    serviceAccount: textAt(raw, 'spec', 'serviceAccountName') || 'default',
    phase: textAt(raw, 'status', 'phase'),
    ready: conditions.some(
      (condition) =>
        textAt(condition, 'type') === 'Ready' && textAt(condition, 'status') === 'True',
    ),
    owner: ownerOf(raw),
    mounts: listAt(raw, 'spec', 'containers').flatMap((container) =>
      listAt(container, 'volumeMounts').map((mount) => ({
        volume: textAt(mount, 'name'),
        path: textAt(mount, 'mountPath'),
      })),
    ),
  }
}

const owners: readonly {
  readonly kind: string
  readonly group: string
  readonly plural: string
}[] = [
  { kind: 'Deployment', group: 'apps', plural: 'deployments' },
  { kind: 'ReplicaSet', group: 'apps', plural: 'replicasets' },
  { kind: 'StatefulSet', group: 'apps', plural: 'statefulsets' },
  { kind: 'DaemonSet', group: 'apps', plural: 'daemonsets' },
  { kind: 'CronJob', group: 'batch', plural: 'cronjobs' },
  { kind: 'Job', group: 'batch', plural: 'jobs' },
]

/** Every template that pods are made from, and what their authors applied. Kinds that cannot be had are left out, and named. */
export async function learnTemplates(asker: Asker): Promise<Fact<readonly TemplateFact[]>> {
  const lists = await Promise.all(
    owners.map(({ kind, group, plural }) =>
      learnList(
        asker,
        { path: `/apis/${group}/v1/${plural}`, right: `list ${plural}.${group}` },
        (raw) => readTemplate(raw, kind),
      ),
    ),
  )
  const known = lists.filter((list) => list.known)
  const [first] = lists
  if (known.length === 0 && first !== undefined && !first.known) return first
  const notes = lists.flatMap((list) =>
    list.known ? (list.partial ?? []) : list.right === undefined ? [] : list.why,
  )
  const value = known.flatMap((list) => list.value)
  return { known: true, value, ...(notes.length === 0 ? {} : { partial: notes.join('; ') }) }
}

function readTemplate(raw: unknown, kind: string): TemplateFact {
  return {
    kind,
    namespace: textAt(raw, 'metadata', 'namespace'),
    name: textAt(raw, 'metadata', 'name'),
    uid: textAt(raw, 'metadata', 'uid'),
    owner: ownerOf(raw),
    ...readVolumes(podSpecOf(raw), raw),
  }
}

/** The spec of the pods that an object makes. */
function podSpecOf(raw: unknown): unknown {
  const template = at(raw, 'spec', 'template') ?? at(raw, 'spec', 'jobTemplate', 'spec', 'template')
  return at(template, 'spec')
}

function ownerOf(raw: unknown): OwnerFact | undefined {
  const owner = listAt(raw, 'metadata', 'ownerReferences').find(
    (reference) => at(reference, 'controller') === true,
  )
  if (owner === undefined) return undefined
  return { kind: textAt(owner, 'kind'), name: textAt(owner, 'name'), uid: textAt(owner, 'uid') }
}

const appliedKey = 'kubectl.kubernetes.io/last-applied-configuration'
const volumesMax = 256

function readVolumes(podSpec: unknown, raw: unknown): VolumesFact {
  const text = textAt(raw, 'metadata', 'annotations', appliedKey)
  const applied = text === '' ? undefined : jsonOf(text)
  const appliedSpec = podSpecOf(applied) ?? at(applied, 'spec')
  return {
    volumes: listAt(podSpec, 'volumes').slice(0, volumesMax).map(readVolume),
    applied:
      applied === undefined
        ? undefined
        : listAt(appliedSpec, 'volumes')
            .slice(0, volumesMax)
            .map(readVolume)
            .filter(({ signerNames }) => signerNames.length > 0)
            .map(({ name }) => name),
  }
}

function readVolume(raw: unknown): VolumeFact {
  const kinds = Object.keys(membersOf(raw)).filter((member) => member !== 'name')
  const sources = listAt(raw, 'projected', 'sources')
  return {
    name: textAt(raw, 'name'),
    kind: kinds[0] ?? '',
    signerNames: sources
      .map((source) => textAt(source, 'podCertificate', 'signerName'))
      .filter((name) => name !== ''),
    emptySources: sources.filter(isEmpty).length,
  }
}

/** A source of no kind: the API server wrote null, or nothing, where it took away what it does not serve. */
function isEmpty(source: unknown): boolean {
  return Object.values(membersOf(source)).every((value) => value === null || value === undefined)
}
