/** The part of @msgpack/msgpack that the SDK uses. */
export function encode(value: unknown, options?: { ignoreUndefined?: boolean }): Uint8Array<ArrayBuffer>;
export function decode(bytes: ArrayBuffer | Uint8Array): unknown;
