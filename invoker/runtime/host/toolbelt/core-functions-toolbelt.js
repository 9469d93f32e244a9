// The toolbelt of the second generation: import { Toolbelt } from "core-functions-toolbelt". It has
// no HTTP client, because its functions use fetch.
import { contextServiceClient } from "./context.js";
import { ConversationUtil } from "./conversation.js";
import { csdsClient } from "./csds.js";
import { gdprUtil } from "./gdpr.js";
import { lpMtlsClient } from "./lp-mtls.js";
import { ask, lpClient } from "./lp.js";
import { MTLSClient } from "./mtls.js";
import { OrchestratorClient } from "./orchestrator.js";
import { sfClient } from "./salesforce.js";
import { SDEUtil } from "./sde.js";
import { secretClient } from "./secrets.js";

export { ErrorCodes, ToolBeltError } from "./errors.js";
export { ConversationContentTypes, ErrorStrategy, LpServices, SDETypes } from "./names.js";
export { globalSecretCache } from "./secrets.js";

export const Toolbelt = {
  ContextServiceClient: contextServiceClient,
  ConversationUtil: () => new ConversationUtil(ask, "&company=lp&source=FaaS_Toolbelt"),
  CsdsClient: () => csdsClient,
  GDPRUtil: () => gdprUtil,
  LpClient: () => lpClient,
  LPMtlsClient: () => lpMtlsClient,
  MTLSClient: (tls) => new MTLSClient(tls),
  OrchestratorClient: () => new OrchestratorClient(true),
  SDEUtil: () => new SDEUtil(ask),
  SecretClient: secretClient,
  SFClient: () => sfClient,
};
