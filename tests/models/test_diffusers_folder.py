"""A folder of diffusers is a network: the class of its config, the weights beside it, and what its scheduler says."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import sys
from types import ModuleType, SimpleNamespace

import pytest
import torch
from safetensors.torch import save_file

from numtoolkit import InputError, Network, StorageError, network_of, process, sample

REAL = importlib.util.find_spec("diffusers") is not None
CONFIG = {"_class_name": "UNet2DModel", "in_channels": 2, "out_channels": 2, "sample_size": 4}
LINEAR = {
    "_class_name": "DDIMScheduler",
    "prediction_type": "v_prediction",
    "beta_schedule": "linear",
    "beta_start": 1e-4,
    "beta_end": 0.02,
    "num_train_timesteps": 1000,
}


class UNet2DModel(torch.nn.Module):
    """A stand-in with the manners of diffusers: made from its config, told by name, answering an object."""

    def __init__(self, in_channels, out_channels, sample_size):
        super().__init__()
        self.scale = torch.nn.Parameter(torch.zeros(out_channels, 1, 1))

    @classmethod
    def from_config(cls, config):
        return cls(**{name: value for name, value in config.items() if not name.startswith("_")})

    @property
    def dtype(self):
        return self.scale.dtype

    def forward(self, sample, timestep, class_labels=None, return_dict=True):
        out = torch.cat([sample] * (len(self.scale) // sample.shape[1]), 1) * self.scale
        return SimpleNamespace(sample=out) if return_dict else (out,)


class UNet2DConditionModel(UNet2DModel):
    """One that is told something of each sample."""

    def forward(self, sample, timestep, encoder_hidden_states, return_dict=True):
        return super().forward(sample * encoder_hidden_states.mean(), timestep)


@pytest.fixture
def stand_in(monkeypatch):
    """The package diffusers, as far as it is needed."""
    package = ModuleType("diffusers")
    package.UNet2DModel, package.UNet2DConditionModel = UNet2DModel, UNet2DConditionModel
    package.Scheduler = type("Scheduler", (), {})
    monkeypatch.setitem(sys.modules, "diffusers", package)


def saved(folder, config=CONFIG, scheduler=LINEAR, where="scheduler"):
    """A pipeline with the folders unet and scheduler, as save_pretrained writes it."""
    (folder / "unet").mkdir()
    (folder / where).mkdir(exist_ok=True)
    (folder / "model_index.json").write_text('{"_class_name": "DDIMPipeline"}')
    (folder / "unet" / "config.json").write_text(json.dumps(config))
    if scheduler is not None:
        (folder / where / "scheduler_config.json").write_text(json.dumps(scheduler))
    weights = {"scale": torch.linspace(0.2, 0.5, config["out_channels"]).reshape(-1, 1, 1)}
    save_file(weights, folder / "unet" / "diffusion_pytorch_model.safetensors", {"format": "pt"})
    return weights["scale"]


@pytest.mark.parametrize("where", ["scheduler", "unet", "unet/scheduler"])
def test_a_folder_of_diffusers_is_the_network_that_it_says(tmp_path, stand_in, where):
    """Prediction, process, shape and weights, whether the pipeline or its model is named; the digests are kept."""
    scale = saved(tmp_path, where=where)
    network = network_of(str(tmp_path))
    assert (network.predicts.name, network.process, network.shape) == ("velocity", process(LINEAR), (2, 4, 4))
    assert network.weights == {
        "file": "diffusion_pytorch_model.safetensors",
        "sha256": hashlib.sha256((tmp_path / "unet/diffusion_pytorch_model.safetensors").read_bytes()).hexdigest(),
        "part": "all of it",
        "config": hashlib.sha256((tmp_path / "unet/config.json").read_bytes()).hexdigest(),
    }
    run = {"grid": "leading(1)", "nfe": 4, "seeds": [0, 1], "dtype": torch.float32}
    ours = sample("ddim", LINEAR, str(tmp_path / "unet"), **run).samples
    by_hand = Network(lambda z, t: z * scale, "velocity", shape=(2, 4, 4))
    assert torch.equal(ours, sample("ddim", LINEAR, by_hand, **run).samples)


def test_a_learned_variance_in_a_folder_is_dropped(tmp_path, stand_in):
    """Of a model that returns twice the channels the second half is not the prediction."""
    scale = saved(tmp_path, CONFIG | {"out_channels": 4})
    network = network_of(str(tmp_path))
    z = torch.ones(3, 2, 4, 4)
    assert torch.equal(network(z, 7.0), z * scale[:2])


def test_a_model_that_needs_conditions_says_which(tmp_path, stand_in):
    """A run without them is refused by their name, before it calls the model; with them it goes."""
    saved(tmp_path, CONFIG | {"_class_name": "UNet2DConditionModel"})
    run = {"grid": "leading(1)", "nfe": 2, "seeds": [0, 1], "dtype": torch.float32}
    with pytest.raises(InputError, match=r"missing a required .*argument: 'encoder_hidden_states'; give conditions="):
        sample("ddim", LINEAR, str(tmp_path), **run)
    told = {"encoder_hidden_states": torch.ones(2, 3)}
    assert sample("ddim", LINEAR, str(tmp_path), conditions=told, **run).samples.shape == (2, 2, 4, 4)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"_class_name": "UNet2DModle"}, "unknown model of diffusers in .*; did you mean UNet2DModel"),
        ({"_class_name": "Scheduler"}, "unknown model of diffusers"),
        ({"_class_name": 3}, "3 is no model of diffusers"),
        ({"widht": 3}, "UNet2DModel cannot be made of .*unexpected keyword argument 'widht'; mend the config"),
    ],
)
def test_a_config_that_names_no_model_is_refused(tmp_path, stand_in, change, said):
    """Misspelt, no model, no name at all, an unknown value: by the file."""
    saved(tmp_path, CONFIG | change)
    with pytest.raises(InputError, match=said):
        network_of(str(tmp_path))


def test_a_folder_that_lacks_something_is_refused(tmp_path, stand_in):
    """The scheduler, the weights, a whole model; a scheduler of another convention."""
    saved(tmp_path, scheduler=None)
    with pytest.raises(StorageError, match=r"no scheduler_config.json lies in .*unet' or beside it"):
        network_of(str(tmp_path))
    place = tmp_path / "scheduler" / "scheduler_config.json"
    for wrong, said in (
        ({"sigma_min": 0.002, "sigma_max": 80.0, "sigma_data": 0.5}, "scales the input and output"),
        ({key: LINEAR[key] for key in LINEAR if key != "prediction_type"}, "no prediction_type"),
    ):
        place.write_text(json.dumps(wrong))
        with pytest.raises(InputError, match=said):
            network_of(str(tmp_path))
    place.write_text(json.dumps(LINEAR | {"beta_schedule": "x"}))
    with pytest.raises(InputError, match=r"scheduler_config.json': beta_schedule = 'x' is not served"):
        network_of(str(tmp_path))
    place.write_text(json.dumps(LINEAR))
    file = tmp_path / "unet" / "diffusion_pytorch_model.safetensors"
    content = bytearray(file.read_bytes())
    file.write_bytes(content[:-2])
    with pytest.raises(StorageError, match="cannot load"):
        network_of(str(tmp_path))
    file.unlink()
    with pytest.raises(StorageError, match=r"holds no diffusion_pytorch_model.safetensors; save the model in one file"):
        network_of(str(tmp_path))
    (tmp_path / "unet" / "config.json").unlink()
    with pytest.raises(StorageError, match="a pipeline with 0 networks; give the folder of one"):
        network_of(str(tmp_path))


@pytest.mark.skipif(REAL, reason="diffusers is installed")
def test_a_folder_without_diffusers_says_what_to_install(tmp_path):
    """The extra by its name."""
    saved(tmp_path)
    with pytest.raises(InputError, match=r"pip install 'numtoolkit\[diffusers\]'"):
        network_of(str(tmp_path))


@pytest.mark.check
@pytest.mark.skipif(not REAL, reason="needs diffusers")
def test_a_saved_model_of_diffusers_itself_is_the_model(tmp_path):
    """A small UNet and its scheduler by save_pretrained: the outputs of the model, told the timesteps it knows."""
    import diffusers

    model = diffusers.UNet2DModel(
        sample_size=8, in_channels=3, out_channels=3, layers_per_block=1, block_out_channels=(32, 32),
        norm_num_groups=8, down_block_types=("DownBlock2D", "AttnDownBlock2D"),
        up_block_types=("AttnUpBlock2D", "UpBlock2D"),
    ).eval()  # fmt: skip
    model.save_pretrained(tmp_path / "unet")
    diffusers.DDPMScheduler(prediction_type="epsilon").save_pretrained(tmp_path / "scheduler")
    network = network_of(str(tmp_path / "unet"))
    assert (network.predicts.name, network.process.spec, network.shape) == ("noise", process("ddpm").spec, (3, 8, 8))
    z = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.equal(network(z, 500.0), model(z, 499.0).sample)
