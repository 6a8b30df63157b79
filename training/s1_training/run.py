"""The whole training, stage by stage; whatever is finished in the work folder is taken as it is."""

from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from s1_training.card import write_card
from s1_training.codec_modules import fresh_codec
from s1_training.codec_stages import DecoderStage, EncoderStage, Pieces, start_codebooks
from s1_training.codes import CodedCorpus, assign, code_corpus, learn_codebooks
from s1_training.corpus import Corpus, Shard, make_held_out
from s1_training.evaluation import evaluate
from s1_training.lm_stage import LmStage, start_weights
from s1_training.loop import Check, Optimisation, TrainingStage, train
from s1_training.plan import DEMO_SIZES, TrainingPlan, VoiceSizes, measure_step_s
from s1_training.progress import StageProgress
from s1_training.voice_checkpoint import with_vocabulary, write_codec, write_language_model, write_tokenizer
from s1_tts.device import resolve_device
from s1_tts.lm.model import DualArModel

PLAN_FILE = "plan.json"
CHECKPOINT_FOLDER = "checkpoint"
WORK_FOLDER = "work"
LM_WEIGHT_DECAY = 0.05
PLAIN = Optimisation()
EVALUATION_FILE = "evaluation.json"


class VoiceTraining:
    """Trains a voice in a folder: ``work`` holds what is on the way, ``checkpoint`` the voice.

    Args:
        folder: Where to; made if missing.
        plan: What to do; a plan that is in the folder goes before it.
        sizes: Sizes of the voice.
        use_compile: Compile the forwards of the codec's decoder and of the language model, which takes a C++ compiler.
    """

    def __init__(
        self, folder: Path, plan: TrainingPlan, *, sizes: VoiceSizes = DEMO_SIZES, use_compile: bool = True
    ) -> None:
        self._work, self.checkpoint = folder / WORK_FOLDER, folder / CHECKPOINT_FOLDER
        for path in (self._work, self.checkpoint):
            path.mkdir(parents=True, exist_ok=True)
        self._sizes = sizes
        self._use_compile = use_compile
        self._device = resolve_device("auto")
        self.progress = StageProgress()
        if self._plan_path.is_file():
            plan = TrainingPlan.load(self._plan_path)
            self.progress.say(f"going on with {self._plan_path}: {plan}")
        plan.save(self._plan_path)
        self.plan = plan
        self._corpus = Corpus.of_hours(self._work, plan.hours, plan.sounding_hours)

    @property
    def _plan_path(self) -> Path:
        return self._work / PLAN_FILE

    def run(self) -> None:
        """Do all that is not done yet, and judge the voice."""
        try:
            codebooks, coded = self.train()
            held_out = make_held_out(self._work)
            self.progress.say("listening to the held-out sentences")
            result = evaluate(self.checkpoint, held_out, _coded_shard(held_out, codebooks), self._work / "listening")
            result.save(self.checkpoint / EVALUATION_FILE)
            write_card(self.checkpoint, self.plan, coded, result)
            self.progress.say(f"{self.checkpoint}: {result}")
        finally:
            self.progress.close()

    def train(self) -> tuple[Tensor, CodedCorpus]:
        """Do all that is not done yet up to the checkpoint; gives the codebooks and what was learned from."""
        self._corpus.make(self.plan.seed, self.progress)
        codebooks, coded = self._codes()
        self._train_codec(codebooks, coded)
        self._train_lm(coded, _coded_shard(make_held_out(self._work), codebooks))
        return codebooks, coded

    def _codes(self) -> tuple[Tensor, CodedCorpus]:
        codebooks_path, coded_path = self._work / "codebooks.pt", self._work / "codes.npz"
        if not coded_path.is_file():
            codec = self._sizes.codec
            codebooks = learn_codebooks(self._corpus, codec.num_codebooks, codec.semantic_codebook_size, self.plan.seed)
            torch.save(codebooks, codebooks_path)
            code_corpus(self._corpus, codebooks, self.progress).save(coded_path)
        return torch.load(codebooks_path, weights_only=True), CodedCorpus.load(coded_path)

    def _train_codec(self, codebooks: Tensor, coded: CodedCorpus) -> None:
        config = self._sizes.codec
        tensors = fresh_codec(config, self.plan.seed)
        start_codebooks(tensors, config, codebooks)
        tensors = {key: value.to(self._device) for key, value in tensors.items()}
        pieces = Pieces.of(self._corpus, coded, self._device, self.plan.seed)
        decoder = DecoderStage(tensors, config, pieces, use_compile=self._use_compile)
        tensors |= self._trained(decoder)
        tensors |= self._trained(EncoderStage(tensors, config, pieces))
        write_codec(self.checkpoint, config, tensors)

    def _trained(
        self, stage: TrainingStage, how: Optimisation = PLAIN, check: Check | None = None
    ) -> dict[str, Tensor]:
        """Averaged weights of a stage, on the device."""
        if self.plan.steps_of(stage.name) == 0:
            step_s = measure_step_s(stage)
            self.plan = self.plan.with_steps(stage.name, step_s)
            self.plan.save(self._plan_path)
            self.progress.say(f"{stage.name}: {step_s:.3f} s a step, {self.plan.steps_of(stage.name)} steps")
        how = replace(how, num_steps=self.plan.steps_of(stage.name))
        weights = train(stage, how, self._work, self.progress, check)
        return {name: value.to(self._device) for name, value in weights.items()}

    def _train_lm(self, coded: CodedCorpus, held_out: CodedCorpus) -> None:
        tokenizer = write_tokenizer(self.checkpoint, self._sizes.codec.semantic_codebook_size)
        model = DualArModel(with_vocabulary(self._sizes.lm, tokenizer))
        start_weights(model, self.plan.seed)
        head = model.output.weight.detach().clone()
        model.cut_heads(tokenizer.semantic_begin_id, tokenizer.num_semantic, tokenizer.im_end_id)
        model.to(self._device)
        model.make_tables(self._sizes.lm.max_seq_len + 1)
        stage = LmStage(model, tokenizer, coded, self.plan.seed, use_compile=self._use_compile)
        check = LmStage(model, tokenizer, held_out, self.plan.seed, use_compile=False).mean_losses
        weights = self._trained(stage, Optimisation(weight_decay=LM_WEIGHT_DECAY), check)
        weights = {name: value.cpu() for name, value in weights.items()}
        write_language_model(self.checkpoint, model.config, weights, tokenizer, head)


def _coded_shard(shard: Shard, codebooks: Tensor) -> CodedCorpus:
    codes, _ = assign(torch.from_numpy(shard.features).float(), codebooks)
    return CodedCorpus.of_shards([shard], [codes])
