// What the clients throw. Source: the vendor's public ErrorCodes of both generations.

export class ToolBeltError extends Error {
  // `details` become properties: statusCode, headers, originalBody, cause.
  constructor(component, code, message, details = {}) {
    super(message);
    Object.assign(this, { component: component ?? "General", code }, details);
  }
}
Object.defineProperty(ToolBeltError.prototype, "name", { value: "ToolBeltError", writable: true });

// The first generation's, made with a code and a message alone.
export class SecretError extends ToolBeltError {
  constructor(code, message, details) {
    super("SecretStore", code, message, details);
  }
}
Object.defineProperty(SecretError.prototype, "name", { value: "SecretError", writable: true });

const PREFIX = "com.liveperson.faas.";

export const ErrorCodesV1 = {
  Platform: { Secret: { NoToken: `${PREFIX}handler.no-sa-token` } },
  Secret: {
    Invalid: `${PREFIX}secret.invalid-format`,
    Failure: `${PREFIX}secret.op-failed`,
    NotFound: `${PREFIX}secret.not-found`,
    AuthFailure: `${PREFIX}secret.auth-failed`,
  },
  Csds: {
    NotFound: `${PREFIX}csds.domain.not-found`,
    Failure: `${PREFIX}csds.op-failed`,
  },
};

export const ErrorCodes = {
  ...ErrorCodesV1,
  Secret: {
    ...ErrorCodesV1.Secret,
    Timeout: `${PREFIX}secret.op-timed-out`,
    SystemSecret: `${PREFIX}secret.forbidden`,
  },
  Mtls: {
    General: `${PREFIX}mtls.general-issue`,
    Remote: `${PREFIX}mtls.remote-threw`,
    Missing: `${PREFIX}mtls.missing-conf`,
    Invalid: {
      Key: `${PREFIX}mtls.invalid-key`,
      Cert: `${PREFIX}mtls.invalid-cert`,
    },
    BadRequest: `${PREFIX}mtls.invalid-request`,
    Creds: {
      Format: `${PREFIX}lp-mtls.credentials-wrong-format`,
      Failure: `${PREFIX}lp-mtls.get-credentials-failure`,
    },
    Timeout: `${PREFIX}mtls.request-timeout`,
  },
  OAuth2: {
    General: `${PREFIX}oauth2.general-issue`,
    UnexpectedResponse: `${PREFIX}oauth2.unexpected-response`,
  },
  LpClient: {
    Creds: {
      Format: `${PREFIX}lp-client.credentials-wrong-format`,
      Failure: `${PREFIX}lp-client.get-credentials-failure`,
    },
  },
  ConversationUtil: {
    General: `${PREFIX}conversation-util-general`,
    NotFound: `${PREFIX}conversation-util.conversation.not-found`,
    UnexpectedResponse: `${PREFIX}conversation-util.unexpected-response`,
    Timeout: `${PREFIX}conversation-util.timeout`,
  },
  GDPRUtil: {
    General: `${PREFIX}gdpr-util-general`,
    AuthFailure: `${PREFIX}gdpr-util.auth-failed`,
    ReplaceFileFailed: `${PREFIX}gdpr-util.replace-file-failed`,
  },
  SDEsUtil: {
    General: `${PREFIX}sdes-util-general`,
    UnexpectedResponse: `${PREFIX}sdes-util.unexpected-response`,
  },
  OrchestratorFN: {
    General: `${PREFIX}orchestrator-fn-general`,
    Timeout: `${PREFIX}orchestrator-fn.invoke.timeout`,
    Invocation: { StatusError: `${PREFIX}orchestrator-fn.invoke.status-code-error` },
    Creds: {
      Format: `${PREFIX}orchestrator-fn.credentials-wrong-format`,
      Failure: `${PREFIX}orchestrator-fn.get-credentials-failure`,
    },
  },
};

// The context store of the vendor has no published codes; these are Houston's.
export const ContextCodes = {
  Failure: `${PREFIX}context.op-failed`,
  NotFound: `${PREFIX}context.not-found`,
};
