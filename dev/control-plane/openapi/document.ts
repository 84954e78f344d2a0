import { createHash } from 'node:crypto'
import type { JsonObject } from '../json-object.ts'
import { acceptedPatchTypes } from '../patch.ts'
import { apiVersionOf, type ResourceType } from '../resource-type.ts'
import type { ResourceTable } from '../resource-table.ts'
import { objectMetaName, type BuiltInSchemas } from './built-in-schemas.ts'
import { referencesOf } from './named-schema.ts'

const root = '/openapi/v3'
const schemasPath = '#/components/schemas/'

/** Answers below /openapi/v3: which documents there are, and each of them; undefined for other paths. */
export function openApiOf(
  path: string,
  options: { readonly table: ResourceTable; readonly schemas: BuiltInSchemas },
): unknown {
  if (!path.startsWith(root)) return undefined
  const places = placesOf(options.table)
  const place = path.slice(root.length + 1).replace(/\/$/, '')
  if (place === '') return indexOf(places, options.schemas)
  const types = places.get(place)
  return types === undefined ? undefined : documentOf(place, types, options.schemas)
}

/** Group versions by the path below which they are served. */
function placesOf(table: ResourceTable): ReadonlyMap<string, readonly ResourceType[]> {
  const pairs = table.all().flatMap((type) =>
    type.versions.map((version) => ({
      place: `${type.group === '' ? 'api' : 'apis'}/${apiVersionOf(type.group, version)}`,
      type,
    })),
  )
  return new Map(
    [...Map.groupBy(pairs, ({ place }) => place)].map(([place, members]) => [
      place,
      members.map(({ type }) => type),
    ]),
  )
}

/** Clients keep a document by its hash, so that it changes whenever the document does. */
function indexOf(
  places: ReadonlyMap<string, readonly ResourceType[]>,
  schemas: BuiltInSchemas,
): object {
  const paths = [...places].map(([place, types]) => {
    const document = JSON.stringify(documentOf(place, types, schemas))
    const hash = createHash('sha256').update(document).digest('hex')
    return [place, { serverRelativeURL: `${root}/${place}?hash=${hash}` }]
  })
  return { paths: Object.fromEntries(paths) }
}

interface Served {
  readonly type: ResourceType
  readonly version: string
  readonly name: string
}

function documentOf(
  place: string,
  types: readonly ResourceType[],
  schemas: BuiltInSchemas,
): object {
  const version = place.slice(place.lastIndexOf('/') + 1)
  const served = types.map((type) => ({ type, version, name: nameOf(type, version, schemas) }))
  const kept = new Map<string, unknown>()
  const keep = (name: string): void => {
    const schema = schemas.named.get(name)
    if (kept.has(name) || schema === undefined) return
    kept.set(name, schema)
    for (const inner of referencesOf(schema)) keep(inner)
  }
  for (const entry of served) {
    if (entry.type.isCustom !== true) keep(entry.name)
    else kept.set(entry.name, customSchema(entry))
  }
  keep(objectMetaName)
  return {
    openapi: '3.0.0',
    info: { title: 'Kubernetes', version: 'v1.37.0' },
    paths: Object.fromEntries(served.flatMap((entry) => pathsOf(place, entry))),
    components: { schemas: Object.fromEntries(kept) },
  }
}

function nameOf(type: ResourceType, version: string, schemas: BuiltInSchemas): string {
  const { group, kind } = type
  const custom = [...group.split('.').toReversed(), version, kind].join('.')
  return schemas.nameOf({ group, version, kind }) ?? custom
}

function customSchema({ type, version }: Served): object {
  const schema = type.schema?.(version) ?? {}
  return {
    ...schema,
    properties: {
      ...schema.properties,
      apiVersion: { type: 'string' },
      kind: { type: 'string' },
      metadata: { $ref: `${schemasPath}${objectMetaName}` },
    },
    'x-kubernetes-group-version-kind': [kindOf(type, version)],
  }
}

function kindOf(type: ResourceType, version: string): JsonObject {
  return { group: type.group, kind: type.kind, version }
}

/** As much of the operations as kubectl asks about: what a patch may be, and that fields are checked here. */
function pathsOf(place: string, { type, version, name }: Served): readonly [string, object][] {
  const scope = type.namespaced ? '/namespaces/{namespace}' : ''
  const collection = `/${place}${scope}/${type.plural}`
  const kind = { 'x-kubernetes-group-version-kind': kindOf(type, version) }
  const schema = { $ref: `${schemasPath}${name}` }
  const content = { 'application/json': { schema } }
  const answer = { responses: { 200: { description: 'OK', content } } }
  const parameters = ['dryRun', 'fieldManager', 'fieldValidation'].map((parameter) => ({
    name: parameter,
    in: 'query',
    schema: { type: 'string' },
  }))
  const write = { parameters, requestBody: { content }, ...kind, ...answer }
  const patch = Object.fromEntries(acceptedPatchTypes(type).map((media) => [media, {}]))
  return [
    [collection, { get: { ...kind, ...answer }, post: write }],
    [
      `${collection}/{name}`,
      {
        get: { ...kind, ...answer },
        put: write,
        patch: { ...write, requestBody: { content: patch } },
        delete: { parameters, ...kind, responses: answer.responses },
      },
    ],
  ]
}
