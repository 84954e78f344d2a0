import { readFields, readList, readOptionalFields, readOptionalText } from './read-field.ts'
import { readMetadata, type KubernetesObject, type Resource } from './resource.ts'

/** A pod, as far as it matters to whoever would restart it. */
export interface ServingPod extends KubernetesObject {
  /** Its containers have ended for good. */
  readonly isOver: boolean
  readonly isReady: boolean
  /** A container of it has run: it may have read the files that it mounts. */
  readonly hasRun: boolean
}

function parseServingPod(raw: unknown): ServingPod {
  const status = readOptionalFields(readFields(raw, 'pod')['status'], 'status')
  const phase = readOptionalText(status['phase'], 'status.phase') ?? 'Pending'
  const conditions = readList(status['conditions'], 'status.conditions').map((entry, index) =>
    readFields(entry, `status.conditions[${index}]`),
  )
  const ready = conditions.find(({ type }) => type === 'Ready')
  return {
    metadata: readMetadata(raw),
    isOver: phase === 'Succeeded' || phase === 'Failed',
    isReady: ready?.['status'] === 'True',
    hasRun: phase !== 'Pending' || hasContainerRun(status),
  }
}

/** A pod is pending until all of its containers for initialization are done, which may read as much as any. */
function hasContainerRun(status: Readonly<Record<string, unknown>>): boolean {
  return ['initContainerStatuses', 'containerStatuses'].some((name) =>
    readList(status[name], `status.${name}`).some((entry, index) => {
      const at = `status.${name}[${index}]`
      const container = readFields(entry, at)
      const state = readOptionalFields(container['state'], `${at}.state`)
      const last = readOptionalFields(container['lastState'], `${at}.lastState`)
      return [state, last].some(({ running, terminated }) => Boolean(running ?? terminated))
    }),
  )
}

export const servingPods: Resource<ServingPod> = {
  group: '',
  version: 'v1',
  plural: 'pods',
  kind: 'Pod',
  namespaced: true,
  parse: parseServingPod,
}
