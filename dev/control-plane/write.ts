import type { KubeObject } from './kube-object.ts'
import type { ResourceType } from './resource-type.ts'
import type { User } from './user.ts'

/** A write on its way in. The object of a deletion is the one to be deleted. */
export interface Write {
  readonly operation: 'CREATE' | 'UPDATE' | 'DELETE'
  readonly type: ResourceType
  readonly subresource: string
  readonly user: User
  readonly object: KubeObject
  readonly previous: KubeObject | undefined
}
