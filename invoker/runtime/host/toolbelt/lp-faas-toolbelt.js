// The toolbelt of the first generation of LivePerson Functions: require("lp-faas-toolbelt").
//
// Nothing in a toolbelt guards anything: functions share its process and may change all of it. What
// they may do is decided by who answers, the worker, and by the process's confinement.
import { contextServiceClientV1 } from "./context.js";
import { ConversationUtil } from "./conversation.js";
import { csdsClient } from "./csds.js";
import { gdprUtil } from "./gdpr.js";
import { httpClient } from "./http.js";
import { askV1, lpClientV1 } from "./lp.js";
import { MTLSClient } from "./mtls.js";
import { OrchestratorClient } from "./orchestrator.js";
import { sfClient } from "./salesforce.js";
import { SDEUtil } from "./sde.js";
import { secretClientV1 } from "./secrets.js";

export { ErrorCodesV1 as ErrorCodes, SecretError, ToolBeltError } from "./errors.js";
export {
  ConversationContentTypes,
  ErrorStrategy,
  LpServicesV1 as LpServices,
  SDETypesV1 as SDETypes,
} from "./names.js";

export const Toolbelt = {
  ContextServiceClient: contextServiceClientV1,
  ConversationUtil: () => new ConversationUtil(askV1, ""),
  CsdsClient: () => csdsClient,
  GDPRUtil: () => gdprUtil,
  HTTPClient: () => httpClient,
  LpClient: () => lpClientV1,
  MTLSClient: (tls) => new MTLSClient(tls),
  OrchestratorClient: () => new OrchestratorClient(false),
  SDEUtil: () => new SDEUtil(askV1),
  SecretClient: () => secretClientV1,
  SFClient: () => sfClient,
};
