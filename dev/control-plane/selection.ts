import type { KubeObject } from './kube-object.ts'
import type { ResourceRequest } from './request.ts'
import { apiVersionOf, selectableField } from './resource-type.ts'
import { labelsOf, parseLabelSelector } from './selector.ts'
import { badRequest } from './status.ts'

/** Whether an object is among those that a list or a watch asks for. */
export type Selection = (object: KubeObject) => boolean

/** The selection of a request; a field that the resource does not know is a 400. */
export function selectionOf(target: ResourceRequest): Selection {
  const { type, version, query, fieldRequirements, namespace } = target
  const byLabels = parseLabelSelector(query.get('labelSelector') ?? '')
  const byFields = fieldRequirements.map(({ field, equal, value }): Selection => {
    const read = selectableField(type, field)
    if (read === undefined) {
      const what = `${apiVersionOf(type.group, version)}, Resource=${type.plural}`
      const selector = JSON.stringify(query.get('fieldSelector'))
      throw badRequest(
        `Unable to find ${JSON.stringify(what)} that match field selector ${selector}: field label not supported: ${field}`,
      )
    }
    return (object) => (read(object) === value) === equal
  })
  const isScoped = type.namespaced && namespace !== ''
  return (object) =>
    (!isScoped || object.metadata.namespace === namespace) &&
    byFields.every((matches) => matches(object)) &&
    byLabels(labelsOf(object.metadata.labels))
}
