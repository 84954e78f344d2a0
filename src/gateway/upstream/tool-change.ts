/** What becomes of a tool by its definition, for whoever runs its server. */
export interface ToolChange {
  readonly kind: 'quarantined' | 'served'
  /** As the gateway calls it. */
  readonly server: string
  readonly tool: string
  /** Of the definition as it is now. */
  readonly digest: string
  /** Of the one that may be used, where there is one; of what is quarantined alone. */
  readonly approved?: string | undefined
  /** Why it is quarantined. */
  readonly why?: string | undefined
}

/** Told of each change once. */
export type TellChange = (change: ToolChange) => void
