import type { ApprovalStore, KeptApproval } from '../../../src/gateway/approval/store.ts'

/** Keeps approvals as the API server does, for all gateways of one test. */
export interface MemoryApprovals extends ApprovalStore {
  readonly kept: Map<string, KeptApproval>
  /** From now on nothing is known. */
  away: boolean
}

export function memoryApprovals(): MemoryApprovals {
  const kept = new Map<string, KeptApproval>()
  let writes = 0
  const newVersion = (uid?: string): KeptApproval['version'] => {
    writes += 1
    return { uid: uid ?? `uid-${writes}`, resourceVersion: String(writes) }
  }
  async function reach(): Promise<void> {
    await Promise.resolve()
    if (store.away) throw new Error('API server is away')
  }
  function isThis({ name, version }: KeptApproval): boolean {
    return kept.get(name)?.version.resourceVersion === version.resourceVersion
  }
  const store: MemoryApprovals = {
    kept,
    away: false,
    async read(name) {
      await reach()
      return kept.get(name)
    },
    async create(approval) {
      await reach()
      if (kept.has(approval.name)) return false
      kept.set(approval.name, { ...approval, version: newVersion() })
      return true
    },
    async replace(before, sealed) {
      await reach()
      if (!isThis(before)) return false
      kept.set(before.name, { ...before, sealed, version: newVersion(before.version.uid) })
      return true
    },
    async remove(before) {
      await reach()
      return isThis(before) && kept.delete(before.name)
    },
    async list() {
      await reach()
      return [...kept.values()]
    },
  }
  return store
}
