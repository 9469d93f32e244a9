// Names that the vendor's services go by. Source: its public enumerations.

const LP_SERVICES = {
  MSG_HIST: "msgHist",
  AGENT_VEP: "agentVep",
  ACCOUNT_CONFIG_READ_ONLY: "accountConfigReadOnly",
  ACCOUNT_CONFIG_READ_WRITE: "accountConfigReadWrite",
  ASYNC_MESSAGING: "asyncMessaging",
  ASYNC_MESSAGING_EN: "asyncMessagingEnt",
  ENG_HIST_DOMAIN: "engHistDomain",
  RTBF: "rtbf",
  SMT: "smt",
  PUSHER: "pusher",
  LE_DATA_REPORTING: "leDataReporting",
  MSG_EWT_API: "msgEwtAPI",
  MSDKGW: "msdkgw",
};
export const LpServicesV1 = { ...LP_SERVICES, AUDITLOG: "auditlog" };
export const LpServices = { ...LP_SERVICES, AUDITLOG: "auditLog" };

export const SDETypesV1 = {
  CART: "cart",
  TRANSACTION: "purchase",
  VIEWED_PRODUCT: "prodView",
  CUSTOMER_INFO: "ctmrinfo",
  MARKETING_SOURCE: "mrktInfo",
  PERSONAL_INFO: "personal",
  LEAD: "lead",
  SERVICE_ACTIVITY: "service",
  VISITOR_ERROR: "error",
  SEARCHED_CONTENT: "searchInfo",
};
export const SDETypes = { ...SDETypesV1, ORDER_ID: "orderId" };

export const ConversationContentTypes = {
  INFO: "info",
  SDES: "sdes",
  UNAUTH_SDES: "unAuthSdes",
  CAMPAIGN: "campaign",
  MESSAGE_RECORDS: "messageRecords",
  AGENT_PARTICIPANTS: "agentParticipants",
  AGENT_PARTICIPANTS_ACTIVE: "agentParticipantsActive",
  CONSUMER_PARTICIPANTS: "consumerParticipants",
  TRANSFERS: "transfers",
  INTERACTIONS: "interactions",
  MESSAGE_SCORES: "messageScores",
  MESSAGE_STATUSES: "messageStatuses",
  SKILL_CHANGES: "skillChanges",
  CONVERSATION_SURVEYS: "conversationSurveys",
  AGENT_PARTICIPANTS_LEAVE: "agentParticipantsLeave",
  COBROWSE_SESSIONS: "coBrowseSessions",
  SUMMARY: "summary",
  MONITORING: "monitoring",
  DIALOGS: "dialogs",
  RESPONSE_TIME: "responseTime",
  INTENTS: "intents",
  UNIQUE_INTENTS: "uniqueIntents",
  LATEST_AGENT_SURVEY: "latestAgentSurvey",
  PREVIOUSLY_SUBMITTED_AGENT_SURVEYS: "previouslySubmittedAgentSurveys",
};

export const ErrorStrategy = {
  EXIT_ON_ERROR: "ExitOnError",
  CONTINUE_ON_ERROR: "ContinueOnError",
};
