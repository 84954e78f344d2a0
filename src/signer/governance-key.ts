/** The governance annotations: what a workload may ask for beside its name. */
export const annotationKeys = {
  role: 'countersign.dev/role',
  tenant: 'countersign.dev/tenant',
  models: 'countersign.dev/models',
  toolScopes: 'countersign.dev/tool-scopes',
} as const

/** The namespace labels that grant: `models.countersign.dev/<slug>: allow`, `tools.countersign.dev/<server>: allow`. */
export const grantLabelPrefixes = {
  models: 'models.countersign.dev/',
  tools: 'tools.countersign.dev/',
} as const
