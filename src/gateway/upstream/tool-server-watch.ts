import { isDeepStrictEqual } from 'node:util'
import { createListeners } from '../../listeners.ts'
import { CountersignError, quoted } from '../../errors.ts'
import { isDnsLabel, isDnsSubdomain } from '../../identity/kubernetes-name.ts'
import type { ApiClient } from '../../kubernetes/api-client.ts'
import { startInformer } from '../../kubernetes/informer.ts'
import { objectKey } from '../../kubernetes/object-store.ts'
import {
  readFields,
  readOptionalFields,
  readOptionalInteger,
  readOptionalText,
  readText,
  readTextList,
  readTextMap,
} from '../../kubernetes/read-field.ts'
import {
  keepingOnly,
  readMetadata,
  type KubernetesObject,
  type Resource,
} from '../../kubernetes/resource.ts'
import type { Log } from '../../log.ts'
import type { Era } from '../../mcp/message.ts'
import type { Metrics } from '../../metrics.ts'
import type { Condition } from '../../readiness.ts'
import { limitRanges, serverLimitNames, type ServerLimits } from '../limits.ts'
import type { ToolServer, ToolServerSpec } from './tool-server.ts'

/** The ToolServers of the cluster. */
export interface ToolServerSource extends AsyncDisposable {
  /** Whether the first list has been there: before, nothing is known. */
  readonly hasSynced: boolean
  list(): readonly ToolServer[]
  onChange(listener: () => void): void
  condition(staleSecondsMax: number): Omit<Condition, 'name'>
}

/** With what whoever writes their status needs. */
export interface ToolServerWatch extends ToolServerSource {
  /** By `namespace/name`. */
  find(key: string): ToolServerObject | undefined
  /** Told of each whose status is another, while nothing else of it is. */
  onStatus(listener: (key: string) => void): void
}

export interface ToolServerObject extends KubernetesObject {
  readonly toolServer: ToolServer
  /** Of its status, as they were written by whomever. */
  readonly conditions: readonly unknown[]
}

/** The ToolServer resource: `charts/countersign/files/crds/toolservers.yaml`. */
export const toolServerResource: Resource<ToolServerObject> = {
  group: 'countersign.dev',
  version: 'v1alpha1',
  plural: 'toolservers',
  kind: 'ToolServer',
  namespaced: true,
  missing:
    'customresourcedefinition toolservers.countersign.dev is not there: helm upgrade the chart, or kubectl apply -f charts/countersign/files/crds/toolservers.yaml',
  parse: parseToolServer,
}

/**
 * Follows the ToolServers of all namespaces. One whose spec cannot be read is there with what is wrong with it, and harms no other. While
 * the watch is broken those of before stay: what must not be called any more is revoked.
 */
export function watchToolServers(options: {
  readonly client: ApiClient
  readonly log: Log
  readonly metrics: Metrics
}): ToolServerWatch {
  const listeners = createListeners()
  const changed = listeners.tell
  const statusListeners = new Set<(key: string) => void>()
  const informer = startInformer({
    ...options,
    resource: keepingOnly(toolServerResource, {}),
    onUnreadable: changed,
  })
  informer.onEvent(({ object, old }) => {
    // Each of our own writes comes back from the watch: nothing is chosen anew for it.
    if (!isDeepStrictEqual(old?.toolServer, object.toolServer)) return changed()
    for (const listener of statusListeners) listener(objectKey(object.metadata))
  })
  // A first list that is empty is no event. What is closed before it never has one.
  informer.synced.then(changed, () => {})
  return {
    get hasSynced() {
      return informer.hasSynced
    },
    list: () => informer.list().map(({ toolServer }) => toolServer),
    onChange: listeners.onChange,
    find(key) {
      const [namespace, name = ''] = key.split('/')
      return informer.get(name, namespace)
    },
    onStatus: (listener) => void statusListeners.add(listener),
    condition: (staleSecondsMax) => informer.condition(staleSecondsMax),
    async [Symbol.asyncDispose]() {
      listeners.clear()
      statusListeners.clear()
      await informer[Symbol.asyncDispose]()
    },
  }
}

function parseToolServer(raw: unknown): ToolServerObject {
  const metadata = readMetadata(raw)
  const object = readFields(raw, 'tool server')
  const { generation } = readFields(object['metadata'], 'metadata')
  const toolServer: ToolServer = {
    namespace: metadata.namespace ?? '',
    name: metadata.name,
    createdAt: metadata.creationTimestamp?.getTime() ?? 0,
    generation: readOptionalInteger(generation, 'metadata.generation') ?? 0,
    spec: specOrFault(object['spec']),
  }
  return { metadata, toolServer, conditions: conditionsOf(object['status']) }
}

/** More of one object than this would be too much to keep (`keptBytesMaxDefault`), and it would be as good as not there. */
const pinsCharactersMax = 48 * 1024
const conditionsCharactersMax = 8 * 1024

/** What is no list of conditions, or a very long one, is none, and is written over. */
function conditionsOf(status: unknown): readonly unknown[] {
  const conditions = (status as { readonly conditions?: unknown } | null | undefined)?.conditions
  if (!Array.isArray(conditions)) return []
  const isKept = JSON.stringify(conditions).length <= conditionsCharactersMax
  return isKept ? (conditions as readonly unknown[]) : []
}

function specOrFault(raw: unknown): ToolServerSpec | string {
  try {
    return parseSpec(raw)
  } catch (error) {
    if (!(error instanceof CountersignError)) throw error
    return error.message
  }
}

function parseSpec(raw: unknown): ToolServerSpec {
  const spec = readFields(raw, 'spec')
  const service = readFields(spec['service'], 'spec.service')
  const namespace = readOptionalText(spec['namespace'], 'spec.namespace')
  const pins = readOptionalFields(spec['pins'], 'spec.pins')
  return {
    namespace: namespace === undefined ? undefined : name(namespace, 'spec.namespace', isDnsLabel),
    service: {
      name: name(readText(service['name'], 'spec.service.name'), 'spec.service.name', isDnsLabel),
      port: integer(service['port'], 'spec.service.port', { min: 1, max: 65_535, without: 443 }),
      path: path(readOptionalText(service['path'], 'spec.service.path') ?? '/mcp'),
    },
    serviceAccount: name(
      readText(spec['serviceAccount'], 'spec.serviceAccount'),
      'spec.serviceAccount',
      isDnsSubdomain,
    ),
    eras: eras(spec['eras']),
    timeoutSeconds: integer(spec['timeoutSeconds'], 'spec.timeoutSeconds', {
      min: 1,
      max: 3600,
      without: 60,
    }),
    trustOnFirstUse: flag(spec['trustOnFirstUse'], 'spec.trustOnFirstUse'),
    pins: spec['pins'] === undefined ? undefined : digests(readTextMap(pins, 'spec.pins')),
    scopes: texts(spec['scopes'], 'spec.scopes'),
    prompts: texts(spec['prompts'], 'spec.prompts'),
    resources: texts(spec['resources'], 'spec.resources'),
    limits: spec['limits'] === undefined ? undefined : limits(spec['limits']),
  }
}

function texts(value: unknown, at: string): readonly string[] | undefined {
  return value === undefined ? undefined : readTextList(value, at)
}

function name(text: string, at: string, isName: (text: string) => boolean): string {
  if (isName(text)) return text
  throw new CountersignError('kubernetes/object', `${at}: want=name got=${quoted(text)}`)
}

function integer(
  value: unknown,
  at: string,
  range: { readonly min: number; readonly max: number; readonly without?: number },
): number {
  const { min, max, without } = range
  const read = readOptionalInteger(value, at) ?? without
  if (read !== undefined && read >= min && read <= max) return read
  throw new CountersignError(
    'kubernetes/object',
    `${at}: want=${min}..${max} got=${read ?? 'nothing'}`,
  )
}

function flag(value: unknown, at: string): boolean {
  if (value === undefined || typeof value === 'boolean') return value ?? false
  throw new CountersignError('kubernetes/object', `${at}: want=true or false`)
}

/** What stands in an URL as it is; no query, which would stand in the log too. */
function path(text: string): string {
  if (/^(\/[A-Za-z0-9._~-]{1,63}){1,8}\/?$/.test(text) && !/\/\.{1,2}(\/|$)/.test(text)) return text
  throw new CountersignError(
    'kubernetes/object',
    `spec.service.path: want=path got=${quoted(text)}`,
  )
}

function eras(value: unknown): readonly Era[] {
  const texts = value === undefined ? ['modern'] : readTextList(value, 'spec.eras')
  const known = texts.filter((text) => text === 'modern' || text === 'legacy')
  if (known.length > 0 && known.length === texts.length) return known
  throw new CountersignError('kubernetes/object', 'spec.eras: want=modern, legacy or both')
}

function limits(value: unknown): ServerLimits {
  const fields = readFields(value, 'spec.limits')
  const given = serverLimitNames.flatMap((name) => {
    const at = `spec.limits.${name}`
    const [min, max] = limitRanges[name]
    return fields[name] === undefined ? [] : [[name, integer(fields[name], at, { min, max })]]
  })
  return Object.fromEntries(given)
}

function digests(pins: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  const characters = JSON.stringify(pins).length
  if (characters > pinsCharactersMax) {
    throw new CountersignError(
      'kubernetes/object',
      `spec.pins: want=at most ${pinsCharactersMax} characters got=${characters}`,
    )
  }
  const bad = Object.values(pins).find((digest) => !/^[0-9a-f]{64}$/.test(digest))
  if (bad === undefined) return pins
  throw new CountersignError(
    'kubernetes/object',
    `spec.pins: want=64 hex digits got=${quoted(bad)}`,
  )
}
