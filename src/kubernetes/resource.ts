import { CountersignError, quoted } from '../errors.ts'
import { readFields, readList, readOptionalTime, readText, readTextMap } from './read-field.ts'

/** One kind of object of the API: where it lives and how to read it. */
export interface Resource<T> {
  /** Empty for the core group. */
  readonly group: string
  readonly version: string
  readonly plural: string
  readonly kind: string
  readonly namespaced: boolean
  /** For people: what to do where the API server does not serve it. */
  readonly missing?: string
  /** Reads what we use of one object; throws 'kubernetes/object' (or the caller's own code) on a malformed one. */
  readonly parse: (raw: unknown) => T
}

export interface OwnerReference {
  readonly apiVersion: string
  readonly kind: string
  readonly name: string
  readonly uid: string
  /** Of its owners at most one is the controller: the API server sees to that. */
  readonly controller?: true
}

/** metav1.ObjectMeta, as far as we use it. */
export interface Metadata {
  readonly name: string
  /** Undefined for cluster-scoped objects. */
  readonly namespace: string | undefined
  readonly uid: string
  readonly resourceVersion: string
  readonly labels: Readonly<Record<string, string>>
  readonly annotations: Readonly<Record<string, string>>
  readonly ownerReferences: readonly OwnerReference[]
  readonly creationTimestamp: Date | undefined
  /** Set once deletion began: the object is terminating. */
  readonly deletionTimestamp: Date | undefined
}

/** What every object of the API has. */
export interface KubernetesObject {
  readonly metadata: Metadata
}

function readOwnerReference(raw: unknown, path: string): OwnerReference {
  const fields = readFields(raw, path)
  return {
    apiVersion: readText(fields['apiVersion'], `${path}.apiVersion`),
    kind: readText(fields['kind'], `${path}.kind`),
    name: readText(fields['name'], `${path}.name`),
    uid: readText(fields['uid'], `${path}.uid`),
    ...(fields['controller'] === true ? { controller: true } : {}),
  }
}

/** Reads the metadata of a whole object, not of its `metadata` member. */
export function readMetadata(raw: unknown): Metadata {
  const fields = readFields(readFields(raw, 'object')['metadata'], 'metadata')
  const namespace = fields['namespace']
  return {
    name: readText(fields['name'], 'metadata.name'),
    namespace: namespace ? readText(namespace, 'metadata.namespace') : undefined,
    uid: readText(fields['uid'], 'metadata.uid'),
    resourceVersion: readText(fields['resourceVersion'], 'metadata.resourceVersion'),
    labels: readTextMap(fields['labels'], 'metadata.labels'),
    annotations: readTextMap(fields['annotations'], 'metadata.annotations'),
    ownerReferences: readList(fields['ownerReferences'], 'metadata.ownerReferences').map(
      (entry, index) => readOwnerReference(entry, `metadata.ownerReferences[${index}]`),
    ),
    creationTimestamp: readOptionalTime(fields['creationTimestamp'], 'metadata.creationTimestamp'),
    deletionTimestamp: readOptionalTime(fields['deletionTimestamp'], 'metadata.deletionTimestamp'),
  }
}

/**
 * The resource as a cache should hold it: of labels and annotations, which may weigh as much as a whole object, only those whose
 * key is kept. Unless told, none are.
 */
export function keepingOnly<T extends KubernetesObject>(
  resource: Resource<T>,
  kept: {
    readonly labels?: (key: string) => boolean
    readonly annotations?: (key: string) => boolean
  },
): Resource<T> {
  const { labels = () => false, annotations = () => false } = kept
  return {
    ...resource,
    parse(raw) {
      const object = resource.parse(raw)
      const { metadata } = object
      return {
        ...object,
        metadata: {
          ...metadata,
          labels: entriesOf(metadata.labels, labels),
          annotations: entriesOf(metadata.annotations, annotations),
        },
      }
    },
  }
}

function entriesOf(
  entries: Readonly<Record<string, string>>,
  isKept: (key: string) => boolean,
): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(entries).filter(([key]) => isKept(key)))
}

/** What names one object of a resource. */
export interface ObjectName {
  readonly name: string
  readonly namespace?: string | undefined
}

/**
 * The path of a resource, of its objects in one namespace, of one object, or of a subresource. Names go into the
 * path percent-encoded, so that text from outside can never reach another object.
 */
export function resourcePath(
  resource: Resource<unknown>,
  options: {
    readonly namespace?: string | undefined
    readonly name?: string | undefined
    readonly subresource?: string
  } = {},
): string {
  const root = resource.group === '' ? '/api' : `/apis/${resource.group}`
  const segments = [resource.plural, options.name, options.subresource]
  if (resource.namespaced && options.namespace !== undefined) {
    segments.unshift('namespaces', options.namespace)
  }
  const tail = segments.filter((segment) => segment !== undefined).map(encodeSegment)
  return [root, resource.version, ...tail].join('/')
}

/** URL parsers take `.` and `..` away even when the rest is encoded, and an empty name would list them all. */
function encodeSegment(segment: string): string {
  if (/^\.{0,2}$/.test(segment)) {
    throw new CountersignError(
      'kubernetes/object',
      `path segment: want=a name got=${quoted(segment)}`,
    )
  }
  return encodeURIComponent(segment)
}
