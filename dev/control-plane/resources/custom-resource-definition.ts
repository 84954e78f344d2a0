import { CelError, compileCel, type CelRule } from '../cel.ts'
import { invalid, required, type FieldError } from '../field-error.ts'
import {
  isJsonObject,
  objectAt,
  objectsAt,
  textAt,
  textsAt,
  type JsonObject,
} from '../json-object.ts'
import { formatTime, type KubeObject } from '../kube-object.ts'
import type { ResourceType } from '../resource-type.ts'
import { validateSchema, type Schema } from '../structural-schema.ts'
import { customColumns } from '../tables/custom-columns.ts'

function versionsOf(definition: KubeObject): readonly JsonObject[] {
  return objectsAt(definition.spec, 'versions')
}

function versionNamed(definition: KubeObject, version: string): JsonObject {
  return versionsOf(definition).find((item) => item['name'] === version) ?? {}
}

function schemaOf(definition: KubeObject, version: string): Schema {
  return objectAt(objectAt(versionNamed(definition, version), 'schema'), 'openAPIV3Schema')
}

function validateDefinition(definition: KubeObject): readonly FieldError[] {
  const spec = objectAt(definition, 'spec')
  const names = objectAt(spec, 'names')
  const group = textAt(spec, 'group')
  const want = `${textAt(names, 'plural')}.${group}`
  const errors: FieldError[] = []
  if (group === '') errors.push(required('spec.group'))
  for (const member of ['plural', 'kind']) {
    if (textAt(names, member) === '') errors.push(required(`spec.names.${member}`))
  }
  if (definition.metadata.name !== want) {
    const rule = 'must be spec.names.plural+"."+spec.group'
    errors.push(invalid('metadata.name', definition.metadata.name, rule))
  }
  if (!['Namespaced', 'Cluster'].includes(textAt(spec, 'scope'))) {
    errors.push(invalid('spec.scope', textAt(spec, 'scope'), 'want=Namespaced or Cluster'))
  }
  const versions = versionsOf(definition)
  if (versions.filter((version) => version['storage'] === true).length !== 1) {
    const rule = 'must have exactly one version marked as storage version'
    errors.push(invalid('spec.versions', versions.length, rule))
  }
  return [...errors, ...versions.flatMap(validateVersion)]
}

function validateVersion(version: JsonObject, index: number): readonly FieldError[] {
  const field = `spec.versions[${index}]`
  const schema = objectAt(version, 'schema')['openAPIV3Schema']
  if (!isJsonObject(schema)) return [required(`${field}.schema.openAPIV3Schema`)]
  return uncompilable(schema, `${field}.schema.openAPIV3Schema`)
}

/** A rule that this server cannot judge is refused here, or it would be no rule at all. */
function uncompilable(schema: Schema, field: string): readonly FieldError[] {
  const own = (schema['x-kubernetes-validations'] ?? []).flatMap(({ rule }, index) => {
    try {
      compileCel(rule)
      return []
    } catch (error) {
      if (!(error instanceof CelError)) throw error
      const where = `${field}.x-kubernetes-validations[${index}].rule`
      return [invalid(where, rule, `compilation failed: ${error.message}`)]
    }
  })
  const inner = Object.entries(schema.properties ?? {}).flatMap(([name, property]) =>
    uncompilable(property, `${field}.properties[${name}]`),
  )
  const items = schema.items === undefined ? [] : uncompilable(schema.items, `${field}.items`)
  return [...own, ...inner, ...items]
}

/** The conditions that clients wait for; here a definition is served as soon as it is stored. */
function established(definition: KubeObject, now: number): KubeObject {
  const names = objectAt(definition.spec, 'names')
  const kind = textAt(names, 'kind')
  const accepted = { singular: kind.toLowerCase(), listKind: `${kind}List`, ...names }
  const lastTransitionTime = formatTime(now)
  return {
    ...definition,
    spec: { conversion: { strategy: 'None' }, ...definition.spec, names: accepted },
    status: {
      acceptedNames: accepted,
      storedVersions: versionsOf(definition)
        .filter((version) => version['storage'] === true)
        .map((version) => textAt(version, 'name')),
      conditions: [
        { type: 'NamesAccepted', reason: 'NoConflicts', message: 'no conflicts found' },
        {
          type: 'Established',
          reason: 'InitialNamesAccepted',
          message: 'the initial names have been accepted',
        },
      ].map((condition) => ({ ...condition, status: 'True', lastTransitionTime })),
    },
  }
}

export const customResourceDefinitions: ResourceType = {
  group: 'apiextensions.k8s.io',
  versions: ['v1'],
  plural: 'customresourcedefinitions',
  singular: 'customresourcedefinition',
  kind: 'CustomResourceDefinition',
  namespaced: false,
  shortNames: ['crd'],
  hasStatus: true,
  countsGenerations: true,
  prepareForCreate: (definition, context) => established(definition, context.now()),
  validateCreate: validateDefinition,
  validateUpdate: (next, previous) => [
    ...validateDefinition(next),
    ...(['group', 'scope'] as const)
      .filter((member) => next.spec?.[member] !== previous.spec?.[member])
      .map((member) => invalid(`spec.${member}`, next.spec?.[member], 'field is immutable')),
  ],
}

interface CompiledRule {
  readonly rule: CelRule
  readonly message: string
}

/** Every rule of `x-kubernetes-validations` that the value breaks, wherever in it. */
function validateRules(value: unknown, schema: Schema, field: string): readonly FieldError[] {
  const own = (schema['x-kubernetes-validations'] ?? [])
    .map(({ rule, message }): CompiledRule => {
      return { rule: compileCel(rule), message: message ?? `failed rule: ${rule}` }
    })
    .filter(({ rule }) => !holds(rule, value))
    .map(({ message }) => invalid(field, typeof value, message))
  if (Array.isArray(value)) {
    const items = value.flatMap((item, index) =>
      validateRules(item, schema.items ?? {}, `${field}[${index}]`),
    )
    return [...own, ...items]
  }
  if (!isJsonObject(value)) return own
  const inner = Object.entries(schema.properties ?? {})
    .filter(([name]) => Object.hasOwn(value, name))
    .flatMap(([name, property]) =>
      validateRules(value[name], property, field === '' ? name : `${field}.${name}`),
    )
  return [...own, ...inner]
}

/** A rule that cannot be judged on this value is a broken rule. */
function holds(rule: CelRule, value: unknown): boolean {
  try {
    return rule(value) === true
  } catch (error) {
    if (error instanceof CelError) return false
    throw error
  }
}

/** What a stored definition makes the server serve, or undefined when it serves no version. */
export function customResource(definition: KubeObject): ResourceType | undefined {
  const spec = objectAt(definition, 'spec')
  const names = objectAt(spec, 'names')
  const served = versionsOf(definition).filter((version) => version['served'] === true)
  const storage = served.find((version) => version['storage'] === true) ?? served[0]
  if (storage === undefined) return undefined
  const kind = textAt(names, 'kind')
  const schema = schemaOf(definition, textAt(storage, 'name'))
  const validate = (object: KubeObject): readonly FieldError[] => {
    const { metadata: _metadata, apiVersion: _version, kind: _kind, ...body } = object
    const bodySchema = { ...schema, required: (schema.required ?? []).filter(isBodyMember) }
    const errors = validateSchema(body, bodySchema, '')
    return errors.length > 0 ? errors : validateRules(body, schema, '')
  }
  return {
    group: textAt(spec, 'group'),
    versions: served.map((version) => textAt(version, 'name')),
    plural: textAt(names, 'plural'),
    singular: textAt(names, 'singular') || kind.toLowerCase(),
    kind,
    namespaced: textAt(spec, 'scope') === 'Namespaced',
    shortNames: textsAt(names, 'shortNames'),
    categories: textsAt(names, 'categories'),
    hasStatus: isJsonObject(objectAt(storage, 'subresources')['status']),
    countsGenerations: true,
    isCustom: true,
    selectableFields: {
      'metadata.namespace': (object) => object.metadata.namespace ?? '',
      ...selectableFieldsOf(storage),
    },
    schema: (version) => schemaOf(definition, version),
    columns: (version) => customColumns(versionNamed(definition, version)),
    validateCreate: validate,
    validateUpdate: validate,
    validateStatus: validate,
  }
}

function isBodyMember(name: string): boolean {
  return !['apiVersion', 'kind', 'metadata'].includes(name)
}

function selectableFieldsOf(
  version: JsonObject,
): Readonly<Record<string, (object: KubeObject) => string>> {
  const paths = objectsAt(version, 'selectableFields').map((entry) => textAt(entry, 'jsonPath'))
  return Object.fromEntries(
    paths.map((path) => {
      const members = path.split('.').filter((member) => member !== '')
      const read = (object: KubeObject): string => {
        const value = members.reduce(
          (inner: unknown, member) => (isJsonObject(inner) ? inner[member] : undefined),
          object,
        )
        return typeof value === 'string' ? value : (JSON.stringify(value) ?? '')
      }
      return [members.join('.'), read]
    }),
  )
}
