// What functions may require or import beside the modules of Node: LivePerson's toolbelts in both
// generations, and packages. The editor checks functions against this file, behind runtime.d.ts.

declare module "core-functions-toolbelt" {
  // --- errors ------------------------------------------------------------------

  /** What every client throws. Compare `code` with one of `ErrorCodes`. */
  export class ToolBeltError extends Error {
    constructor(component: string | undefined, code: string, message: string, details?: object);
    /** The client that it comes from. */
    readonly component: string;
    readonly code: string;
  }

  /**
   * The codes of errors.
   *
   * @example
   * try {
   *   await secretClient.readSecret("token");
   * } catch (error) {
   *   if (error.code === ErrorCodes.Secret.NotFound) return "There is no token yet";
   *   throw error;
   * }
   */
  export const ErrorCodes: {
    readonly Platform: { readonly Secret: { readonly NoToken: string } };
    readonly Secret: {
      readonly Invalid: string;
      readonly Failure: string;
      readonly NotFound: string;
      readonly AuthFailure: string;
      readonly Timeout: string;
      readonly SystemSecret: string;
    };
    readonly Csds: { readonly NotFound: string; readonly Failure: string };
    readonly Mtls: {
      readonly General: string;
      readonly Remote: string;
      readonly Missing: string;
      readonly Invalid: { readonly Key: string; readonly Cert: string };
      readonly BadRequest: string;
      readonly Creds: { readonly Format: string; readonly Failure: string };
      readonly Timeout: string;
    };
    readonly OAuth2: { readonly General: string; readonly UnexpectedResponse: string };
    readonly LpClient: { readonly Creds: { readonly Format: string; readonly Failure: string } };
    readonly ConversationUtil: {
      readonly General: string;
      readonly NotFound: string;
      readonly UnexpectedResponse: string;
      readonly Timeout: string;
    };
    readonly GDPRUtil: {
      readonly General: string;
      readonly AuthFailure: string;
      readonly ReplaceFileFailed: string;
    };
    readonly SDEsUtil: { readonly General: string; readonly UnexpectedResponse: string };
    readonly OrchestratorFN: {
      readonly General: string;
      readonly Timeout: string;
      readonly Invocation: { readonly StatusError: string };
      readonly Creds: { readonly Format: string; readonly Failure: string };
    };
  };

  // --- secrets -----------------------------------------------------------------

  /** A secret of the account; JSON is a text too. */
  export interface SecretEntry {
    key: string;
    value: string;
  }

  export interface SecretClient {
    /**
     * Gives the value of a secret. It is remembered for five minutes.
     *
     * @param options `useCache: false` asks anew; `timeout` in ms, 5000 if it is not said
     * @example
     * const { value } = await secretClient.readSecret("token");
     * @throws with `ErrorCodes.Secret.NotFound` when the account has no such secret
     */
    readSecret(
      key: string,
      options?: { useCache?: boolean; timeout?: number },
    ): Promise<SecretEntry>;
    /**
     * Changes the value of a secret that there is, to one of at most 16,384 characters.
     *
     * @example
     * await secretClient.updateSecret({ key: "token", value: token });
     */
    updateSecret(entry: SecretEntry, options?: { timeout?: number }): Promise<SecretEntry>;
  }

  /** What `SecretClient` remembers. */
  export const globalSecretCache: {
    set(key: string, value: SecretEntry, ttlMs?: number): void;
    get(key: string): SecretEntry | null;
    has(key: string): boolean;
    delete(key: string): boolean;
    clear(): void;
    size(): number;
    getAll(): SecretEntry[];
    setDefaultTtl(ms: number): void;
  };

  // --- LivePerson's services ---------------------------------------------------

  export type ServiceName = (typeof LpServices)[keyof typeof LpServices] | (string & {});

  /** Names of LivePerson's services, for `LpClient`. */
  export const LpServices: {
    readonly MSG_HIST: "msgHist";
    readonly AGENT_VEP: "agentVep";
    readonly ACCOUNT_CONFIG_READ_ONLY: "accountConfigReadOnly";
    readonly ACCOUNT_CONFIG_READ_WRITE: "accountConfigReadWrite";
    readonly ASYNC_MESSAGING: "asyncMessaging";
    readonly ASYNC_MESSAGING_EN: "asyncMessagingEnt";
    readonly ENG_HIST_DOMAIN: "engHistDomain";
    readonly RTBF: "rtbf";
    readonly AUDITLOG: "auditLog";
    readonly SMT: "smt";
    readonly PUSHER: "pusher";
    readonly LE_DATA_REPORTING: "leDataReporting";
    readonly MSG_EWT_API: "msgEwtAPI";
    readonly MSDKGW: "msdkgw";
  };

  /**
   * Calls a service of LivePerson, as `fetch` does: its host is found, and the request is signed
   * with what the secret `LIVEPERSON_DEFAULT_APP_KEY` holds, or the one in `appKeySecretName`.
   */
  export type LpClient = (
    service: ServiceName,
    path: string,
    options?: RequestInit & { appKeySecretName?: string },
  ) => Promise<Response>;

  export interface CsdsClient {
    /** Gives the host of a service, such as `"msgHist"`. Answers are kept for ten minutes. */
    get(service: ServiceName): Promise<string>;
    /** Gives the hosts of all services. */
    getAll(): Promise<{ [service: string]: string }[]>;
  }

  // --- conversations -----------------------------------------------------------

  /** Parts of a conversation that `getConversationById` can be asked for. */
  export const ConversationContentTypes: {
    readonly INFO: "info";
    readonly SDES: "sdes";
    readonly UNAUTH_SDES: "unAuthSdes";
    readonly CAMPAIGN: "campaign";
    readonly MESSAGE_RECORDS: "messageRecords";
    readonly AGENT_PARTICIPANTS: "agentParticipants";
    readonly AGENT_PARTICIPANTS_ACTIVE: "agentParticipantsActive";
    readonly CONSUMER_PARTICIPANTS: "consumerParticipants";
    readonly TRANSFERS: "transfers";
    readonly INTERACTIONS: "interactions";
    readonly MESSAGE_SCORES: "messageScores";
    readonly MESSAGE_STATUSES: "messageStatuses";
    readonly SKILL_CHANGES: "skillChanges";
    readonly CONVERSATION_SURVEYS: "conversationSurveys";
    readonly AGENT_PARTICIPANTS_LEAVE: "agentParticipantsLeave";
    readonly COBROWSE_SESSIONS: "coBrowseSessions";
    readonly SUMMARY: "summary";
    readonly MONITORING: "monitoring";
    readonly DIALOGS: "dialogs";
    readonly RESPONSE_TIME: "responseTime";
    readonly INTENTS: "intents";
    readonly UNIQUE_INTENTS: "uniqueIntents";
    readonly LATEST_AGENT_SURVEY: "latestAgentSurvey";
    readonly PREVIOUSLY_SUBMITTED_AGENT_SURVEYS: "previouslySubmittedAgentSurveys";
  };
  export type ConversationContentType =
    (typeof ConversationContentTypes)[keyof typeof ConversationContentTypes];

  /** A conversation as LivePerson's history has it. */
  export interface Conversation {
    conversationHistoryRecords: { [part: string]: any }[];
    [name: string]: any;
  }

  /** A message with a keyword in it. */
  export interface KeywordMatch {
    message: string;
    /** Epoch milliseconds. */
    sentTimestamp: number;
    sentBy: string;
    /** The keyword, as `keywordRef:<word>`. */
    tag: string;
  }

  export interface ConversationUtil {
    /**
     * Fetches a conversation from LivePerson's history.
     *
     * @param contentToRetrieve which parts of it; all if it is not said
     * @example
     * const conversation = await conversationUtil.getConversationById(conversationId, [
     *   ConversationContentTypes.MESSAGE_RECORDS,
     * ]);
     */
    getConversationById(
      conversationId: string,
      contentToRetrieve?: (ConversationContentType | (string & {}))[],
    ): Promise<Conversation>;
    /**
     * Finds messages with certain words in them, in upper or lower case.
     *
     * @example
     * const found = conversationUtil.scanConversationForKeywords(conversation, ["refund"]);
     */
    scanConversationForKeywords(conversation: Conversation, keywords: string[]): KeywordMatch[];
  }

  export interface GDPRUtil {
    /**
     * Replaces the files of a conversation, for good, and gives the paths of those it replaced.
     *
     * @param credentials of the file storage
     * @param shouldReplace says which files; all if it is not given
     * @param replacement a black picture of 1 × 1 pixels if it is not given
     * @example
     * const paths = await gdprUtil.replaceConversationFiles(
     *   conversation,
     *   { username, password },
     *   (path) => path.endsWith(".pdf"),
     * );
     */
    replaceConversationFiles(
      conversation: Conversation,
      credentials: { username: string; password: string },
      shouldReplace?: (path: string) => boolean,
      replacement?: { body: Uint8Array | string; contentType: string },
    ): Promise<string[]>;
  }

  /** Kinds of engagement attributes, for `addSDEs`. */
  export const SDETypes: {
    readonly CART: "cart";
    readonly TRANSACTION: "purchase";
    readonly VIEWED_PRODUCT: "prodView";
    readonly CUSTOMER_INFO: "ctmrinfo";
    readonly MARKETING_SOURCE: "mrktInfo";
    readonly PERSONAL_INFO: "personal";
    readonly LEAD: "lead";
    readonly SERVICE_ACTIVITY: "service";
    readonly VISITOR_ERROR: "error";
    readonly SEARCHED_CONTENT: "searchInfo";
    readonly ORDER_ID: "orderId";
  };

  /** An engagement attribute; what belongs to it depends on its type. */
  export interface SDE {
    type: (typeof SDETypes)[keyof typeof SDETypes] | (string & {});
    [name: string]: any;
  }
  export interface SDEEvents {
    events: { serverTimeStamp: number; sdeType: string; [name: string]: any }[];
  }

  export interface SDEUtil {
    /**
     * Adds engagement attributes to a visit.
     *
     * @example
     * await sdeUtil.addSDEs(
     *   [{ type: SDETypes.CUSTOMER_INFO, info: { customerId: "c-1" } }],
     *   visitorId,
     *   sessionId,
     * );
     */
    addSDEs(sdes: SDE[], visitorId: string, sessionId: string): Promise<void>;
    /** Gives the engagement attributes in a conversation, the oldest first. */
    getSDEsFromConv(conversation: Conversation): { sdes: SDEEvents; unAuthSdes: SDEEvents };
  }

  // --- other functions ---------------------------------------------------------

  /** What an invocation that fails means for those after it. */
  export const ErrorStrategy: {
    readonly EXIT_ON_ERROR: "ExitOnError";
    readonly CONTINUE_ON_ERROR: "ContinueOnError";
  };

  export interface Invocation {
    /** The id of the function. */
    uuid: string;
    /** What it receives as `input.payload`. */
    payload: unknown;
    headers?: { [name: string]: string };
    /** How often it is tried again, 3 times if it is not said. */
    retries?: number;
    /** Says whether to try again; if not given, after 429, 500, 502, 504 and broken connections. */
    retryFunction?: (statusCode: number | undefined, error: any) => boolean;
  }

  export interface InvocationOptions {
    /** Of one invocation in ms; the deadline divided by their number if it is not said. */
    timeout?: number;
    /** One after the other if it is not said. */
    invokeParallel?: boolean;
    /** `ExitOnError` if it is not said. */
    errorStrategy?: (typeof ErrorStrategy)[keyof typeof ErrorStrategy];
  }

  export interface InvocationResult {
    uuid: string;
    /** What the function gave. */
    body?: any;
    headers?: { [name: string]: string };
    statusCode?: number;
    /** Why it failed, when the others went on. */
    error?: { code: string; message: string };
  }

  export interface InvocationOptionsWithJson extends InvocationOptions {
    /** Gives bodies as values; as text if it is not said. */
    json?: boolean;
  }

  export interface OrchestratorClient<Options = InvocationOptionsWithJson> {
    /**
     * Invokes other functions of the account and gives their results, in the same order.
     *
     * @param deadline of all of them in ms, at most 25000
     * @example
     * const [{ body }] = await orchestratorClient.invoke([{ uuid, payload: { orderId } }], 10000);
     */
    invoke(
      invocations: Invocation[],
      deadline?: number,
      options?: Options,
    ): Promise<InvocationResult[]>;
  }

  // --- stored context ----------------------------------------------------------

  export interface Namespace {
    name: string;
    createdAt: Date;
    /** How long its properties are kept; for ever if it is not said. */
    ttlSecond?: number;
  }
  export interface Properties {
    [name: string]: any;
  }

  /**
   * Keeps properties between invocations, in namespaces of the account. A namespace has sessions,
   * such as one for each conversation; who names none uses the namespace's own.
   */
  export interface ContextServiceClient {
    /** Makes a namespace if there is none. `ttl` is how long its properties are kept, in seconds. */
    createNamespace(namespace: string, options?: { ttl?: number }): Promise<Namespace>;
    deleteNamespace(namespace: string): Promise<void>;
    getListOfNamespaces(): Promise<Namespace[]>;
    /**
     * Writes properties; others of the session stay.
     *
     * @example
     * await contextClient.setPropertiesInNamespace("orders", { orderId: "o-1" }, conversationId);
     */
    setPropertiesInNamespace(
      namespace: string,
      properties: Properties,
      sessionId?: string,
    ): Promise<Properties>;
    updatePropertiesInNamespace(
      namespace: string,
      properties: Properties,
      sessionId?: string,
    ): Promise<Properties>;
    getAllPropertiesInSession(namespace: string, sessionId?: string): Promise<Properties>;
    getSelectedPropertiesInSession(
      namespace: string,
      names: string[],
      sessionId?: string,
    ): Promise<Properties>;
    /**
     * Gives the value of one property.
     *
     * @example
     * const orderId = await contextClient.getPropertyInSession("orders", "orderId", conversationId);
     */
    getPropertyInSession(namespace: string, name: string, sessionId?: string): Promise<any>;
    deletePropertyInSession(namespace: string, name: string, sessionId?: string): Promise<void>;
    deleteSession(namespace: string, sessionId?: string): Promise<void>;
    getListOfSessions(namespace: string): Promise<string[]>;
  }

  // --- TLS with certificates of one's own --------------------------------------

  export interface MTLSOptions {
    /** Sends and reads the body as JSON. */
    json?: boolean;
    /** In ms. */
    timeout?: number;
    /** Takes a server whose certificate nobody else has signed. */
    allowSelfSigned?: boolean;
  }
  export interface MTLSResponse {
    statusCode: number;
    headers: { [name: string]: string | string[] | undefined };
    body: any;
  }
  export type MTLSRequest = (
    url: string,
    headers?: { [name: string]: string },
    body?: any,
    options?: MTLSOptions,
  ) => Promise<MTLSResponse>;

  /** A request without a body. */
  export type MTLSQuestion = (
    url: string,
    headers?: { [name: string]: string },
    options?: MTLSOptions,
  ) => Promise<MTLSResponse>;

  export interface ClientCertificate {
    /** All three in PEM format. */
    cert: string;
    key: string;
    /** Who has signed the server's certificate, if it is nobody that everybody knows. */
    ca?: string;
  }

  /** Calls servers that ask for a certificate of the client's. */
  export interface MTLSClient {
    get: MTLSRequest;
    post: MTLSRequest;
    put: MTLSRequest;
    patch: MTLSRequest;
    delete: MTLSRequest;
    head: MTLSQuestion;
    options: MTLSQuestion;
  }

  /** Calls servers through LivePerson's gateway, which keeps the certificates. */
  export interface LPMtlsClient {
    get: MTLSRequest;
    post: MTLSRequest;
  }

  // --- Salesforce --------------------------------------------------------------

  export interface SFClient {
    /**
     * Gives a connection of jsforce.
     *
     * @example
     * const connection = sfClient.connectToSalesforce({ loginUrl, accessToken, refreshToken });
     * const account = await connection.sobject("Account").retrieve(accountId);
     */
    connectToSalesforce(options: { [name: string]: any }): any;
  }

  // --- the toolbelt ------------------------------------------------------------

  /** Clients for what functions do most. */
  export const Toolbelt: {
    /** Reads and changes secrets of the account. `cache.ttl` in ms is how long it remembers. */
    SecretClient(options?: { cache?: { ttl?: number } }): SecretClient;
    /** Calls services of LivePerson. */
    LpClient(): LpClient;
    /** Finds the hosts of LivePerson's services. */
    CsdsClient(): CsdsClient;
    /** Fetches conversations and looks for words in them. */
    ConversationUtil(): ConversationUtil;
    /** Replaces the files of a conversation. */
    GDPRUtil(): GDPRUtil;
    /** Adds engagement attributes and reads them. */
    SDEUtil(): SDEUtil;
    /** Invokes other functions of the account. */
    OrchestratorClient(): OrchestratorClient;
    /** Keeps properties between invocations. */
    ContextServiceClient(apiKey: string): ContextServiceClient;
    /** Calls servers that ask for a certificate; throws when it is not in PEM format. */
    MTLSClient(certificate: ClientCertificate): MTLSClient;
    /** Calls servers through LivePerson's mTLS gateway. */
    LPMtlsClient(): LPMtlsClient;
    /** @deprecated Use `@jsforce/jsforce-node` itself. */
    SFClient(): SFClient;
  };
}

declare module "lp-faas-toolbelt" {
  import {
    ClientCertificate,
    ContextServiceClient,
    ConversationUtil,
    CsdsClient,
    GDPRUtil,
    InvocationOptions,
    LpServices as NewerServices,
    MTLSClient,
    OrchestratorClient,
    SDETypes as NewerSDETypes,
    SDEUtil,
    SFClient,
    ToolBeltError,
  } from "core-functions-toolbelt";

  export { ConversationContentTypes, ErrorStrategy } from "core-functions-toolbelt";
  export { ToolBeltError };
  export class SecretError extends ToolBeltError {}

  /** The codes of errors. */
  export const ErrorCodes: {
    readonly Platform: { readonly Secret: { readonly NoToken: string } };
    readonly Secret: {
      readonly Invalid: string;
      readonly Failure: string;
      readonly NotFound: string;
      readonly AuthFailure: string;
    };
    readonly Csds: { readonly NotFound: string; readonly Failure: string };
  };

  /** Names of LivePerson's services, for `LpClient`. */
  export const LpServices: Omit<typeof NewerServices, "AUDITLOG"> & {
    readonly AUDITLOG: "auditlog";
  };
  /** Kinds of engagement attributes, for `addSDEs`. */
  export const SDETypes: Omit<typeof NewerSDETypes, "ORDER_ID">;

  /** A secret of the account: a text, a number, or JSON. */
  export interface SecretEntry {
    key: string;
    value: any;
  }
  export interface SecretClient {
    /**
     * Gives the value of a secret.
     *
     * @example
     * const { value } = await secretClient.readSecret("token");
     * @throws a `SecretError` with `ErrorCodes.Secret.NotFound` when the account has no such secret
     */
    readSecret(key: string): Promise<SecretEntry>;
    /**
     * Changes the value of a secret that there is, to one of at most 10,000 characters.
     *
     * @example
     * await secretClient.updateSecret({ key: "token", value: token });
     */
    updateSecret(entry: SecretEntry): Promise<SecretEntry>;
  }

  /** Options of the package request-promise. */
  export interface HTTPOptions {
    url?: string | URL;
    uri?: string | URL;
    baseUrl?: string;
    method?: "GET" | "POST" | "PUT" | "PATCH" | "DELETE" | "HEAD" | "OPTIONS" | (string & {});
    headers?: { [name: string]: any };
    /** What is put behind the `?` of the address. */
    qs?: { [name: string]: any } | string;
    body?: any;
    /** Sends the body as JSON and reads the answer as JSON. */
    json?: boolean | object;
    /** Sends these as a form. */
    form?: { [name: string]: any } | string;
    /** Sends these as a form with files. */
    formData?: { [name: string]: any };
    /** `false`: an answer outside of 200 to 299 does not throw. */
    simple?: boolean;
    /** `true`: gives statusCode, headers and body, not the body alone. */
    resolveWithFullResponse?: boolean;
    /** In ms. */
    timeout?: number;
    followRedirect?: boolean;
    followAllRedirects?: boolean;
    maxRedirects?: number;
    /** `null`: gives the body as a Buffer. */
    encoding?: string | null;
    auth?: { user?: string; pass?: string; bearer?: string | (() => string); [name: string]: any };
    transform?: (body: any, response: HTTPResponse, resolveWithFullResponse: boolean) => any;
    [name: string]: any;
  }
  /** What `resolveWithFullResponse: true` gives. */
  export interface HTTPResponse {
    statusCode: number;
    statusMessage: string;
    headers: { [name: string]: any };
    body: any;
    [name: string]: any;
  }
  export interface HTTPRequest {
    (url: string | URL, options: HTTPOptions & { resolveWithFullResponse: true }): Promise<HTTPResponse>;
    (options: HTTPOptions & { resolveWithFullResponse: true }): Promise<HTTPResponse>;
    (url: string | URL, options?: HTTPOptions): Promise<any>;
    (options: HTTPOptions): Promise<any>;
  }
  /** Sends requests, in the words of the package request-promise. */
  export interface HTTPClient extends HTTPRequest {
    get: HTTPRequest;
    head: HTTPRequest;
    options: HTTPRequest;
    post: HTTPRequest;
    put: HTTPRequest;
    patch: HTTPRequest;
    delete: HTTPRequest;
    del: HTTPRequest;
  }

  /**
   * Calls a service of LivePerson, with the options of `HTTPClient`: its host is found, and the
   * request is signed with what the secret `lp-faas-default-app-key` holds, or the one in
   * `appKeySecretName`.
   */
  export type LpClient = (
    service: (typeof LpServices)[keyof typeof LpServices] | (string & {}),
    path: string,
    options?: HTTPOptions & { appKeySecretName?: string },
  ) => Promise<any>;

  /** Clients for what functions do most. */
  export const Toolbelt: {
    /**
     * Sends requests, in the words of the package request-promise. A host that is not in the
     * account's allow-list answers 403, and who sends more than 20 a second gets 429.
     *
     * @example
     * const httpClient = Toolbelt.HTTPClient();
     * const order = await httpClient("https://shop.example/orders/1", { json: true });
     */
    HTTPClient(): HTTPClient;
    /** Reads and changes secrets of the account. */
    SecretClient(): SecretClient;
    /**
     * Calls services of LivePerson.
     *
     * @example
     * const lpClient = Toolbelt.LpClient();
     * const skills = await lpClient(
     *   LpServices.ACCOUNT_CONFIG_READ_ONLY,
     *   `/api/account/${process.env.BRAND_ID}/configuration/le-users/skills?v=2.0`,
     *   { json: true },
     * );
     */
    LpClient(): LpClient;
    /** Finds the hosts of LivePerson's services. */
    CsdsClient(): CsdsClient;
    /** Fetches conversations and looks for words in them. */
    ConversationUtil(): ConversationUtil;
    /** Replaces the files of a conversation. */
    GDPRUtil(): GDPRUtil;
    /** Adds engagement attributes and reads them. */
    SDEUtil(): SDEUtil;
    /** Invokes other functions of the account. */
    OrchestratorClient(): OrchestratorClient<InvocationOptions>;
    /** Keeps properties between invocations. */
    ContextServiceClient(config: { apiKey: string; accountId: string }): ContextServiceClient;
    /** Calls servers that ask for a certificate; throws when it is not in PEM format. */
    MTLSClient(certificate: ClientCertificate): MTLSClient;
    /** Connects to Salesforce. */
    SFClient(): SFClient;
  };
}

declare module "@jsforce/jsforce-node";
declare module "es-toolkit" {
  import all = require("typed/es-toolkit");
  export = all;
}
declare module "jsforce";
declare module "jsonwebtoken" {
  import all = require("typed/jsonwebtoken");
  export = all;
}
declare module "lodash" {
  import all = require("typed/lodash");
  export = all;
}
declare module "luxon" {
  import all = require("typed/luxon");
  export = all;
}
declare module "oauth-1.0a" {
  import all = require("typed/oauth-1.0a");
  export = all;
}
declare module "request";
declare module "request-promise-native";
declare module "undici" {
  import all = require("typed/undici");
  export = all;
}
declare module "uuid" {
  import all = require("typed/uuid");
  export = all;
}
