/** What we use of WebAssembly: Node has it, the library files of the language and of Node's types have not. */
declare namespace WebAssembly {
  /** Compiled once, instantiated often. */
  interface Module {
    readonly brand: unique symbol
  }
  function compile(octets: Uint8Array): Promise<Module>
}

/** What we use of the package, which ships no types of its own. */
declare module '@open-policy-agent/opa-wasm' {
  export interface LoadedPolicy {
    readonly entrypoints: Readonly<Record<string, number>>
    readonly mem: { readonly buffer: ArrayBuffer; grow(pages: number): number }
    /** Where the data stands. */
    readonly dataAddr: number
    /** Where the heap of an evaluation begins: after the data. */
    readonly dataHeapPtr: number
    readonly wasmInstance: { readonly exports: Readonly<Record<string, unknown>> }
    /** An `ArrayBuffer` is taken as JSON text; every other buffer is misread as an object. */
    setData(data: ArrayBuffer): void
  }
  const opa: {
    /** Throws bare strings, plain objects and errors alike. */
    loadPolicySync(
      module: WebAssembly.Module,
      memory: { readonly initial: number; readonly maximum: number },
      hostFunctions: Readonly<Record<string, (...values: never[]) => unknown>>,
    ): LoadedPolicy
  }
  export default opa
}
