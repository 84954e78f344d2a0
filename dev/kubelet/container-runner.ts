/** What a runner has to know of a pod. */
export interface RunnablePod {
  readonly metadata: { readonly name: string; readonly namespace: string; readonly uid: string }
  readonly spec: {
    readonly containers: readonly {
      readonly command?: readonly string[] | undefined
      readonly env?:
        readonly { readonly name: string; readonly value?: string | undefined }[] | undefined
    }[]
  }
}

/** A pod's processes, however they are made. */
export interface RunningContainer {
  stop(): Promise<void>
}

/**
 * Starts a pod whose volumes are written: volume name → folder. The signal aborts when the pod goes. Undefined: the
 * pod has nothing to run and only exists.
 */
export type RunContainer = (
  pod: RunnablePod,
  volumes: Readonly<Record<string, string>>,
  signal: AbortSignal,
) => Promise<RunningContainer | undefined>
