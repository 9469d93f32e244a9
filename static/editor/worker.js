// Monaco's TypeScript, which knows what type a function's `lambda` has.
import { initialize } from "monaco-editor/internal/common/initialize";
import {
  createLanguageService,
  typescript,
} from "monaco-editor/languages/features/typescript/lib/typescriptServices";
import { TypeScriptWorker } from "monaco-editor/languages/features/typescript/tsWorker";
import { isHelpful, isNoise } from "./checked.js";
import { annotatedDocuments } from "./lambda.js";

class FunctionWorker extends TypeScriptWorker {
  constructor(context, data) {
    super(context, data);
    this._languageService = createLanguageService(this, annotatedDocuments(typescript));
  }

  async getSemanticDiagnostics(fileName) {
    const found = await super.getSemanticDiagnostics(fileName);
    return found.filter((one) => !isNoise(one));
  }

  async getCodeFixesAtPosition(fileName, ...where) {
    const fixes = await super.getCodeFixesAtPosition(fileName, ...where);
    return fixes.filter((one) => isHelpful(one, fileName));
  }

  async getQuickInfoAtPosition(fileName, position) {
    const info = await super.getQuickInfoAtPosition(fileName, position);
    // The type of `lambda` is said already, and nobody has written that comment.
    const tags = info?.tags?.filter(({ name }) => name !== "type");
    return info && { ...info, tags };
  }
}

self.onmessage = () => initialize((context, data) => new FunctionWorker(context, data));
