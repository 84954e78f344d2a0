import { CountersignError, cut } from '../../errors.ts'
import type {
  CustomResourceFact,
  Fact,
  GatewaySettings,
  Program,
  SignerSettings,
} from '../facts.ts'
import { at, listAt, membersOf, textAt, textsAt } from '../lenient.ts'
import { learnObject, type Asker } from './learn.ts'

/** Reads the YAML of a program's configuration. Throws a CountersignError that names the field. */
export interface ConfigurationReader {
  readonly signer: (text: string) => SignerSettings
  readonly gateway: (text: string) => GatewaySettings
}

export type ConfigMap = Readonly<Record<string, string>>

/** The ConfigMap of a program, as the chart names it; undefined where there is none. */
export function learnConfigMap(
  asker: Asker,
  namespace: string,
  program: Program,
): Promise<Fact<ConfigMap | undefined>> {
  const name = `countersign-${program}`
  const path = `/api/v1/namespaces/${encodeURIComponent(namespace)}/configmaps/${name}`
  const right = `get configmaps ${name} in namespace ${namespace}`
  return learnObject(asker, { path, right }, (raw) => {
    const entries = Object.entries(membersOf(at(raw, 'data')))
    return Object.fromEntries(
      entries.filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
    )
  })
}

export function readSettings<T>(
  configMap: Fact<ConfigMap | undefined>,
  program: Program,
  read: (text: string) => T,
): Fact<T> {
  if (!configMap.known) return configMap
  const key = `${program}.yaml`
  const text = configMap.value?.[key]
  if (text === undefined) {
    const what = configMap.value === undefined ? 'is not there' : `has no ${key}`
    return { known: false, why: `ConfigMap countersign-${program} ${what}` }
  }
  try {
    return { known: true, value: read(text) }
  } catch (error) {
    const said = error instanceof CountersignError ? error.message : 'odd configuration'
    return { known: false, why: `the ${program} cannot read its configuration: ${cut(said, 500)}` }
  }
}

/** A custom resource that the gateway reads, such as `revocations.countersign.dev`. */
export function learnCustomResource(
  asker: Asker,
  name: string,
): Promise<Fact<CustomResourceFact | undefined>> {
  const path = `/apis/apiextensions.k8s.io/v1/customresourcedefinitions/${name}`
  const right = `get customresourcedefinitions.apiextensions.k8s.io ${name}`
  return learnObject(asker, { path, right }, readDefinition)
}

function readDefinition(raw: unknown): CustomResourceFact {
  const revision = textAt(raw, 'metadata', 'annotations', 'countersign.dev/schema-revision')
  return {
    name: textAt(raw, 'metadata', 'name'),
    established: listAt(raw, 'status', 'conditions').some(
      (condition) =>
        textAt(condition, 'type') === 'Established' && textAt(condition, 'status') === 'True',
    ),
    served: listAt(raw, 'spec', 'versions')
      .filter((entry) => at(entry, 'served') === true)
      .map((entry) => textAt(entry, 'name')),
    stored: textsAt(raw, 'status', 'storedVersions'),
    revision: /^\d{1,6}$/.test(revision) ? Number(revision) : 0,
  }
}
