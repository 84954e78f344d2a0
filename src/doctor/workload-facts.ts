/** Labels and annotations of an object: only those of our own domain. */
export interface Labelled {
  /** Empty for a Namespace. */
  readonly namespace: string
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly annotations: Readonly<Record<string, string>>
}

export interface OwnerFact {
  readonly kind: string
  readonly name: string
  readonly uid: string
}

/** What a pod's spec says of one volume. */
export interface VolumeFact {
  readonly name: string
  /** Such as `projected`, `emptyDir`, `persistentVolumeClaim`. */
  readonly kind: string
  /** Signer names of its podCertificate sources. */
  readonly signerNames: readonly string[]
  /** Projected sources that say nothing: what is left of one that the API server did not know or had switched off. */
  readonly emptySources: number
}

/** The volumes of a pod, or of a template for pods. */
export interface VolumesFact {
  readonly volumes: readonly VolumeFact[]
  /** The volumes with a podCertificate source that its author applied (kubectl's annotation); undefined without it. */
  readonly applied: readonly string[] | undefined
}

export interface PodFact extends Labelled, VolumesFact {
  readonly uid: string
  readonly nodeName: string
  readonly serviceAccount: string
  readonly phase: string
  readonly ready: boolean
  readonly owner: OwnerFact | undefined
  /** Where its containers mount what, for our own pods. */
  readonly mounts: readonly { readonly volume: string; readonly path: string }[]
}

export interface TemplateFact extends VolumesFact {
  readonly kind: string
  readonly namespace: string
  readonly name: string
  readonly uid: string
  readonly owner: OwnerFact | undefined
}
