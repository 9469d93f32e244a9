// What a function finds at run time beside the JavaScript language: no browser, a part of Node, and
// the web's own means of talking to other systems. The editor checks functions against this file.

// --- functions -----------------------------------------------------------------

/**
 * Says this instead of the account's automatic message.
 *
 * @example
 * { type: "systemMessage", text: "We will be with you shortly." }
 */
interface SystemMessage {
  type: "systemMessage";
  /** What the consumer reads. `[]` says nothing, and the automatic message stays away too. */
  text: string | [];
}
/**
 * Moves the conversation to a skill, to an agent, or to an agent within a skill.
 *
 * @example
 * { type: "transfer", skillId: "563267" }
 */
interface Transfer {
  type: "transfer";
  /** Id of the skill. */
  skillId?: string;
  /** Id of the agent; with a skill, a proposal within it. */
  agentId?: string;
}
/**
 * Closes the conversation, after what else is asked for.
 *
 * @example
 * { type: "closeConversation" }
 */
interface CloseConversation {
  type: "closeConversation";
}
/** What the controller bot does when a function returns it. Of each type, the first counts. */
type Command = SystemMessage | Transfer | CloseConversation;

/** Errors carry what their makers add: a code, a response. */
interface Error {
  [name: string]: any;
}

// --- console -------------------------------------------------------------------

interface Console {
  /** Writes a log entry: a message, and values that are kept beside it as JSON. */
  debug(message?: any, ...extras: any[]): void;
  trace(message?: any, ...extras: any[]): void;
  log(message?: any, ...extras: any[]): void;
  info(message?: any, ...extras: any[]): void;
  warn(message?: any, ...extras: any[]): void;
  error(message?: any, ...extras: any[]): void;
  /** The id of this run, as Activity and Logs show it. Empty in a test. */
  getTraceId(): string;
}
declare var console: Console;

// --- Node ----------------------------------------------------------------------

declare var module: { exports: any };
declare var exports: any;
declare var global: typeof globalThis;

/** Loads a module of Node or a package, such as `require("lp-faas-toolbelt")`. */
declare function require(name: string): any;

interface Environment {
  /** Id of the account. */
  readonly BRAND_ID: string;
  /** Id of this function. */
  readonly LAMBDA_UUID: string;
  readonly NODE_ENV: "production";
  /** Id of the account. */
  readonly X_LIVEPERSON_BRAND_ID: string;
  /** Host of the directory of LivePerson's services. */
  readonly X_LIVEPERSON_CSDS_DOMAIN: string;
  /** Id of this function. */
  readonly X_LIVEPERSON_FUNCTION_UUID: string;
}
interface Process {
  /** The environment variables of this function, and what Houston adds. */
  readonly env: Environment;
  readonly argv: string[];
  readonly platform: string;
  readonly arch: string;
  readonly pid: number;
  readonly version: string;
  readonly versions: { readonly [name: string]: string | undefined };
  cwd(): string;
  /** Seconds since the start. */
  uptime(): number;
  hrtime: { (since?: [number, number]): [number, number]; bigint(): bigint };
  nextTick(callback: (...values: any[]) => void, ...values: any[]): void;
  emitWarning(warning: string | Error): void;
  memoryUsage(): { rss: number; heapTotal: number; heapUsed: number; external: number };
  on(event: string, listener: (...values: any[]) => void): this;
  /** Fails the invocation. */
  exit(code?: number): never;
  readonly stdout: { write(text: string): boolean };
  readonly stderr: { write(text: string): boolean };
  [name: string]: any;
}
declare var process: Process;

type BufferEncoding =
  | "ascii" | "base64" | "base64url" | "binary" | "hex" | "latin1" | "ucs2" | "utf16le" | "utf8"
  | "utf-8";

interface Buffer extends Uint8Array<ArrayBuffer> {
  toString(encoding?: BufferEncoding, start?: number, end?: number): string;
  toJSON(): { type: "Buffer"; data: number[] };
  equals(other: Uint8Array): boolean;
  compare(other: Uint8Array): -1 | 0 | 1;
  copy(target: Uint8Array, targetStart?: number, start?: number, end?: number): number;
  write(text: string, offset?: number, length?: number, encoding?: BufferEncoding): number;
  subarray(start?: number, end?: number): Buffer;
  slice(start?: number, end?: number): Buffer;
  [name: `read${string}` | `write${string}`]: (...values: any[]) => any;
}
declare var Buffer: {
  from(text: string, encoding?: BufferEncoding): Buffer;
  from(data: Iterable<number> | ArrayLike<number> | ArrayBufferLike, offset?: number, length?: number): Buffer;
  alloc(size: number, fill?: string | number | Uint8Array, encoding?: BufferEncoding): Buffer;
  allocUnsafe(size: number): Buffer;
  byteLength(value: string | ArrayBufferLike | ArrayBufferView, encoding?: BufferEncoding): number;
  compare(one: Uint8Array, other: Uint8Array): -1 | 0 | 1;
  concat(list: readonly Uint8Array[], totalLength?: number): Buffer;
  isBuffer(value: unknown): value is Buffer;
  isEncoding(name: string): name is BufferEncoding;
};

// --- timers and tasks ------------------------------------------------------------

declare function setTimeout(callback: (...values: any[]) => void, delayMs?: number, ...values: any[]): number;
declare function clearTimeout(id?: number): void;
declare function setInterval(callback: (...values: any[]) => void, delayMs?: number, ...values: any[]): number;
declare function clearInterval(id?: number): void;
declare function setImmediate(callback: (...values: any[]) => void, ...values: any[]): any;
declare function clearImmediate(id?: any): void;
declare function queueMicrotask(callback: () => void): void;
declare function structuredClone<T>(value: T, options?: { transfer?: any[] }): T;
declare function atob(text: string): string;
declare function btoa(text: string): string;
declare var performance: { now(): number; readonly timeOrigin: number };

// --- fetch -----------------------------------------------------------------------

type HeadersInit = Headers | Iterable<readonly [string, string]> | Record<string, string>;
type BodyInit =
  | string | Blob | FormData | URLSearchParams | ReadableStream | ArrayBufferLike | ArrayBufferView;

/** Sends a request. Only the domains that the account allows can be reached. */
declare function fetch(input: string | URL | Request, init?: RequestInit): Promise<Response>;

interface RequestInit {
  method?: "GET" | "POST" | "PUT" | "PATCH" | "DELETE" | "HEAD" | "OPTIONS" | (string & {});
  headers?: HeadersInit;
  body?: BodyInit | null;
  redirect?: "error" | "follow" | "manual";
  signal?: AbortSignal | null;
  [name: string]: any;
}
interface ResponseInit {
  status?: number;
  statusText?: string;
  headers?: HeadersInit;
}
interface Body {
  readonly body: ReadableStream | null;
  readonly bodyUsed: boolean;
  arrayBuffer(): Promise<ArrayBuffer>;
  blob(): Promise<Blob>;
  bytes(): Promise<Uint8Array>;
  formData(): Promise<FormData>;
  json(): Promise<any>;
  text(): Promise<string>;
}
interface Request extends Body {
  readonly url: string;
  readonly method: string;
  readonly headers: Headers;
  readonly signal: AbortSignal;
  clone(): Request;
}
declare var Request: { new (input: string | URL | Request, init?: RequestInit): Request };
interface Response extends Body {
  readonly ok: boolean;
  readonly status: number;
  readonly statusText: string;
  readonly url: string;
  readonly redirected: boolean;
  readonly headers: Headers;
  clone(): Response;
}
declare var Response: {
  new (body?: BodyInit | null, init?: ResponseInit): Response;
  json(data: unknown, init?: ResponseInit): Response;
  error(): Response;
};
interface Headers extends Iterable<[string, string]> {
  append(name: string, value: string): void;
  delete(name: string): void;
  get(name: string): string | null;
  getSetCookie(): string[];
  has(name: string): boolean;
  set(name: string, value: string): void;
  forEach(callback: (value: string, name: string, headers: Headers) => void): void;
  entries(): IterableIterator<[string, string]>;
  keys(): IterableIterator<string>;
  values(): IterableIterator<string>;
}
declare var Headers: { new (init?: HeadersInit): Headers };
interface FormData extends Iterable<[string, string | File]> {
  append(name: string, value: string | Blob, fileName?: string): void;
  delete(name: string): void;
  get(name: string): string | File | null;
  getAll(name: string): (string | File)[];
  has(name: string): boolean;
  set(name: string, value: string | Blob, fileName?: string): void;
  entries(): IterableIterator<[string, string | File]>;
}
declare var FormData: { new (): FormData };
interface Blob {
  readonly size: number;
  readonly type: string;
  arrayBuffer(): Promise<ArrayBuffer>;
  bytes(): Promise<Uint8Array>;
  slice(start?: number, end?: number, type?: string): Blob;
  stream(): ReadableStream;
  text(): Promise<string>;
}
declare var Blob: { new (parts?: any[], options?: { type?: string }): Blob };
interface File extends Blob {
  readonly name: string;
  readonly lastModified: number;
}
declare var File: { new (parts: any[], name: string, options?: { type?: string; lastModified?: number }): File };

// --- addresses and text ------------------------------------------------------------

interface URL {
  hash: string;
  host: string;
  hostname: string;
  href: string;
  readonly origin: string;
  password: string;
  pathname: string;
  port: string;
  protocol: string;
  search: string;
  readonly searchParams: URLSearchParams;
  username: string;
  toString(): string;
  toJSON(): string;
}
declare var URL: {
  new (url: string | URL, base?: string | URL): URL;
  canParse(url: string | URL, base?: string | URL): boolean;
  parse(url: string | URL, base?: string | URL): URL | null;
};
interface URLSearchParams extends Iterable<[string, string]> {
  readonly size: number;
  append(name: string, value: string): void;
  delete(name: string, value?: string): void;
  get(name: string): string | null;
  getAll(name: string): string[];
  has(name: string, value?: string): boolean;
  set(name: string, value: string): void;
  sort(): void;
  forEach(callback: (value: string, name: string, parameters: URLSearchParams) => void): void;
  entries(): IterableIterator<[string, string]>;
  keys(): IterableIterator<string>;
  values(): IterableIterator<string>;
  toString(): string;
}
declare var URLSearchParams: {
  new (init?: string | Iterable<readonly [string, string]> | Record<string, string> | URLSearchParams): URLSearchParams;
};
interface TextEncoder {
  encode(text?: string): Uint8Array<ArrayBuffer>;
}
declare var TextEncoder: { new (): TextEncoder };
interface TextDecoder {
  readonly encoding: string;
  decode(data?: ArrayBufferLike | ArrayBufferView, options?: { stream?: boolean }): string;
}
declare var TextDecoder: {
  new (label?: string, options?: { fatal?: boolean; ignoreBOM?: boolean }): TextDecoder;
};

// --- cryptography --------------------------------------------------------------------

declare var crypto: {
  getRandomValues<T extends ArrayBufferView>(array: T): T;
  randomUUID(): `${string}-${string}-${string}-${string}-${string}`;
  readonly subtle: {
    digest(algorithm: string | { name: string }, data: ArrayBufferLike | ArrayBufferView): Promise<ArrayBuffer>;
    [name: string]: (...values: any[]) => Promise<any>;
  };
};

// --- events, streams, sockets ----------------------------------------------------------

interface Event {
  readonly type: string;
  readonly target: EventTarget | null;
  readonly defaultPrevented: boolean;
  preventDefault(): void;
  stopPropagation(): void;
  [name: string]: any;
}
declare var Event: { new (type: string, options?: { bubbles?: boolean; cancelable?: boolean }): Event };
declare var CustomEvent: { new (type: string, options?: { detail?: any }): Event };
interface EventTarget {
  addEventListener(type: string, listener: (event: any) => void, options?: any): void;
  removeEventListener(type: string, listener: (event: any) => void, options?: any): void;
  dispatchEvent(event: Event): boolean;
}
declare var EventTarget: { new (): EventTarget };
interface AbortSignal extends EventTarget {
  readonly aborted: boolean;
  readonly reason: any;
  onabort: ((event: Event) => void) | null;
  throwIfAborted(): void;
}
declare var AbortSignal: {
  abort(reason?: any): AbortSignal;
  any(signals: AbortSignal[]): AbortSignal;
  timeout(ms: number): AbortSignal;
};
interface AbortController {
  readonly signal: AbortSignal;
  abort(reason?: any): void;
}
declare var AbortController: { new (): AbortController };
interface DOMException extends Error {
  readonly code: number;
}
declare var DOMException: { new (message?: string, name?: string): DOMException };
interface ReadableStream<T = any> extends AsyncIterable<T> {
  readonly locked: boolean;
  cancel(reason?: any): Promise<void>;
  getReader(options?: any): any;
  pipeThrough(transform: any, options?: any): ReadableStream;
  pipeTo(target: WritableStream, options?: any): Promise<void>;
  tee(): [ReadableStream<T>, ReadableStream<T>];
}
declare var ReadableStream: { new (source?: any, strategy?: any): ReadableStream };
interface WritableStream {
  readonly locked: boolean;
  abort(reason?: any): Promise<void>;
  close(): Promise<void>;
  getWriter(): any;
}
declare var WritableStream: { new (sink?: any, strategy?: any): WritableStream };
declare var TransformStream: { new (transformer?: any, ...strategies: any[]): any };
declare var TextDecoderStream: { new (label?: string, options?: any): any };
declare var TextEncoderStream: { new (): any };
declare var CompressionStream: { new (format: "deflate" | "deflate-raw" | "gzip"): any };
declare var DecompressionStream: { new (format: "deflate" | "deflate-raw" | "gzip"): any };
interface WebSocket extends EventTarget {
  readonly readyState: 0 | 1 | 2 | 3;
  readonly url: string;
  binaryType: "arraybuffer" | "blob";
  onopen: ((event: any) => void) | null;
  onmessage: ((event: any) => void) | null;
  onerror: ((event: any) => void) | null;
  onclose: ((event: any) => void) | null;
  send(data: string | Blob | ArrayBufferLike | ArrayBufferView): void;
  close(code?: number, reason?: string): void;
}
declare var WebSocket: { new (url: string | URL, protocols?: string | string[]): WebSocket };

// --- modules of Node -------------------------------------------------------------------
declare module "assert";
declare module "assert/strict";
declare module "async_hooks";
declare module "buffer";
declare module "constants";
declare module "crypto";
declare module "diagnostics_channel";
declare module "dns";
declare module "dns/promises";
declare module "events";
declare module "fs";
declare module "fs/promises";
declare module "http";
declare module "http2";
declare module "https";
declare module "net";
declare module "os";
declare module "path";
declare module "path/posix";
declare module "path/win32";
declare module "perf_hooks";
declare module "punycode";
declare module "querystring";
declare module "readline";
declare module "stream";
declare module "stream/consumers";
declare module "stream/promises";
declare module "stream/web";
declare module "string_decoder";
declare module "timers";
declare module "timers/promises";
declare module "tls";
declare module "tty";
declare module "url";
declare module "util";
declare module "util/types";
declare module "vm";
declare module "zlib";
declare module "node:*";
