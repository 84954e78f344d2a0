import * as z from 'zod'
import { isDnsLabel, isDnsSubdomain } from '../identity/kubernetes-name.ts'
import type { OwnerKinds } from '../kubernetes/owner-chain.ts'

/** How pods are given to somebody after they started. */
export interface ClaimsConfig {
  /** From what owns a pod up to the claim, which is the last. */
  readonly owners: OwnerKinds
}

const ownerSchema = z.strictObject({
  // With a dot: the groups of Kubernetes itself own pods that nobody gives away.
  group: z
    .string()
    .refine(
      (text) => isDnsSubdomain(text) && text.includes('.'),
      'want=the group of a custom resource, such as agents.x-k8s.io',
    ),
  version: z.string().refine(isDnsLabel, 'want=a version, such as v1beta1'),
  resource: z.string().refine(isDnsLabel, 'want=a resource in the plural, such as sandboxes'),
  kind: z.string().regex(/^[A-Z][A-Za-z0-9]{0,62}$/, 'want=a kind, such as Sandbox'),
})

export const ownersSchema: z.ZodType<OwnerKinds> = z
  .array(ownerSchema)
  .min(1)
  .max(4)
  .superRefine((owners, context) => {
    for (const [index, owner] of owners.entries()) {
      for (const field of ['kind', 'resource'] as const) {
        const first = owners.findIndex(
          (each) => each.group === owner.group && each[field] === owner[field],
        )
        if (first === index) continue
        const message = `want=each ${field} once got=${owner[field]} of ${owner.group} as owners[${first}], too`
        context.addIssue({ code: 'custom', path: [index, field], message })
        break
      }
    }
  })

export const claimsSchema: z.ZodType<ClaimsConfig> = z.strictObject({ owners: ownersSchema })
