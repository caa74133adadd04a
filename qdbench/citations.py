"""The sources of tasks and optimizers as BibTeX entries, by the keys that specs and docstrings use."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from types import MappingProxyType

from qdbench.registry import UnknownNameError

_ENTRIES = (
    r"""
@inproceedings{agarwal2021precipice,
  title = {Deep Reinforcement Learning at the Edge of the Statistical Precipice},
  author = {Agarwal, Rishabh and Schwarzer, Max and Castro, Pablo Samuel and Courville, Aaron C. and
            Bellemare, Marc G.},
  booktitle = {Advances in Neural Information Processing Systems},
  volume = {34},
  pages = {29304--29320},
  year = {2021},
  publisher = {Curran Associates, Inc.},
  eprint = {2108.13264},
  archiveprefix = {arXiv}
}
""",
    r"""
@techreport{alpaydin1998digits,
  title = {Optical Recognition of Handwritten Digits},
  author = {Alpaydin, Ethem and Kaynak, Cenk},
  institution = {UCI Machine Learning Repository},
  year = {1998},
  doi = {10.24432/C50P49}
}
""",
    r"""
@article{bergstra2012random,
  title = {Random Search for Hyper-Parameter Optimization},
  author = {Bergstra, James and Bengio, Yoshua},
  journal = {Journal of Machine Learning Research},
  volume = {13},
  pages = {281--305},
  year = {2012},
  url = {https://jmlr.org/papers/v13/bergstra12a.html}
}
""",
    r"""
@article{brockman2016gym,
  title = {OpenAI Gym},
  author = {Brockman, Greg and Cheung, Vicki and Pettersson, Ludwig and Schneider, Jonas and Schulman, John and
            Tang, Jie and Zaremba, Wojciech},
  journal = {arXiv preprint arXiv:1606.01540},
  year = {2016},
  eprint = {1606.01540},
  archiveprefix = {arXiv}
}
""",
    r"""
@article{chalumeau2024qdax,
  title = {{QDax}: A Library for Quality-Diversity and Population-based Algorithms with Hardware Acceleration},
  author = {Chalumeau, Felix and Lim, Bryan and Boige, Raphael and Allard, Maxime and Grillotti, Luca and Flageat,
            Manon and Mac{\'e}, Valentin and Richard, Guillaume and Flajolet, Arthur and Pierrot, Thomas and Cully,
            Antoine},
  journal = {Journal of Machine Learning Research},
  volume = {25},
  number = {108},
  pages = {1--16},
  year = {2024},
  eprint = {2308.03665},
  archiveprefix = {arXiv}
}
""",
    r"""
@article{clanuwat2018deep,
  title = {Deep Learning for Classical {J}apanese Literature},
  author = {Clanuwat, Tarin and Bober-Irizar, Mikel and Kitamoto, Asanobu and Lamb, Alex and Yamamoto, Kazuaki and
            Ha, David},
  journal = {arXiv preprint arXiv:1812.01718},
  year = {2018},
  eprint = {1812.01718},
  archiveprefix = {arXiv}
}
""",
    r"""
@article{clune2008natural,
  title = {Natural Selection Fails to Optimize Mutation Rates for Long-Term Adaptation on Rugged Fitness Landscapes},
  author = {Clune, Jeff and Misevic, Dusan and Ofria, Charles and Lenski, Richard E. and Elena, Santiago F. and
            Sanju{\'a}n, Rafael},
  journal = {PLoS Computational Biology},
  volume = {4},
  number = {9},
  pages = {e1000187},
  year = {2008},
  doi = {10.1371/journal.pcbi.1000187}
}
""",
    r"""
@article{cully2015animals,
  title = {Robots that can adapt like animals},
  author = {Cully, Antoine and Clune, Jeff and Tarapore, Danesh and Mouret, Jean-Baptiste},
  journal = {Nature},
  volume = {521},
  number = {7553},
  pages = {503--507},
  year = {2015},
  doi = {10.1038/nature14422}
}
""",
    r"""
@article{demsar2006statistical,
  title = {Statistical Comparisons of Classifiers over Multiple Data Sets},
  author = {Dem{\v{s}}ar, Janez},
  journal = {Journal of Machine Learning Research},
  volume = {7},
  pages = {1--30},
  year = {2006},
  url = {https://jmlr.org/papers/v7/demsar06a.html}
}
""",
    r"""
@article{flageat2023uncertain,
  title = {Uncertain Quality-Diversity: Evaluation Methodology and New Methods for Quality-Diversity in Uncertain
           Domains},
  author = {Flageat, Manon and Cully, Antoine},
  journal = {IEEE Transactions on Evolutionary Computation},
  year = {2023},
  eprint = {2302.00463},
  archiveprefix = {arXiv}
}
""",
    r"""
@inproceedings{fontaine2020cmame,
  title = {Covariance Matrix Adaptation for the Rapid Illumination of Behavior Space},
  author = {Fontaine, Matthew C. and Togelius, Julian and Nikolaidis, Stefanos and Hoover, Amy K.},
  booktitle = {Proceedings of the 2020 Genetic and Evolutionary Computation Conference},
  series = {GECCO '20},
  pages = {94--102},
  year = {2020},
  publisher = {Association for Computing Machinery},
  doi = {10.1145/3377930.3390232}
}
""",
    r"""
@inproceedings{fontaine2021dqd,
  title = {Differentiable Quality Diversity},
  author = {Fontaine, Matthew C. and Nikolaidis, Stefanos},
  booktitle = {Advances in Neural Information Processing Systems},
  volume = {34},
  pages = {10040--10052},
  year = {2021},
  publisher = {Curran Associates, Inc.},
  eprint = {2106.03894},
  archiveprefix = {arXiv}
}
""",
    r"""
@inproceedings{fontaine2023cmamae,
  title = {Covariance Matrix Adaptation {MAP}-Annealing},
  author = {Fontaine, Matthew C. and Nikolaidis, Stefanos},
  booktitle = {Proceedings of the Genetic and Evolutionary Computation Conference},
  series = {GECCO '23},
  pages = {456--465},
  year = {2023},
  publisher = {Association for Computing Machinery},
  doi = {10.1145/3583131.3590389},
  eprint = {2205.10752},
  archiveprefix = {arXiv}
}
""",
    r"""
@inproceedings{freeman2021brax,
  title = {Brax -- A Differentiable Physics Engine for Large Scale Rigid Body Simulation},
  author = {Freeman, C. Daniel and Frey, Erik and Raichuk, Anton and Girgin, Sertan and Mordatch, Igor and Bachem,
            Olivier},
  booktitle = {Proceedings of the Neural Information Processing Systems Track on Datasets and Benchmarks},
  volume = {1},
  year = {2021},
  eprint = {2106.13281},
  archiveprefix = {arXiv}
}
""",
    r"""
@article{games1976pairwise,
  title = {Pairwise Multiple Comparison Procedures with Unequal {N}'s and/or Variances: A {M}onte {C}arlo Study},
  author = {Games, Paul A. and Howell, John F.},
  journal = {Journal of Educational Statistics},
  volume = {1},
  number = {2},
  pages = {113--125},
  year = {1976},
  doi = {10.3102/10769986001002113}
}
""",
    r"""
@techreport{hansen2009bbob,
  title = {Real-Parameter Black-Box Optimization Benchmarking 2009: Noiseless Functions Definitions},
  author = {Hansen, Nikolaus and Finck, Steffen and Ros, Raymond and Auger, Anne},
  institution = {INRIA},
  number = {RR-6829},
  year = {2009},
  eprint = {inria-00362633},
  archiveprefix = {HAL}
}
""",
    r"""
@inproceedings{hansen2009benchmarking,
  title = {Benchmarking a {BI}-Population {CMA-ES} on the {BBOB}-2009 Function Testbed},
  author = {Hansen, Nikolaus},
  booktitle = {Proceedings of the 11th Annual Conference Companion on Genetic and Evolutionary Computation Conference:
               Late Breaking Papers},
  series = {GECCO '09},
  pages = {2389--2396},
  year = {2009},
  publisher = {Association for Computing Machinery},
  doi = {10.1145/1570256.1570333}
}
""",
    r"""
@techreport{hansen2009noisy,
  title = {Real-Parameter Black-Box Optimization Benchmarking 2009: Noisy Functions Definitions},
  author = {Hansen, Nikolaus and Finck, Steffen and Ros, Raymond and Auger, Anne},
  institution = {INRIA},
  number = {RR-6869},
  year = {2009},
  eprint = {inria-00369466},
  archiveprefix = {HAL}
}
""",
    r"""
@article{hansen2016tutorial,
  title = {The {CMA} Evolution Strategy: A Tutorial},
  author = {Hansen, Nikolaus},
  journal = {arXiv preprint arXiv:1604.00772},
  year = {2016},
  eprint = {1604.00772},
  archiveprefix = {arXiv}
}
""",
    r"""
@article{hansen2019pycma,
  title = {{CMA-ES/pycma} on {G}ithub},
  author = {Hansen, Nikolaus and Akimoto, Youhei and Baudis, Petr},
  journal = {Zenodo},
  year = {2019},
  doi = {10.5281/zenodo.2559634}
}
""",
    r"""
@article{hansen2021coco,
  title = {{COCO}: a platform for comparing continuous optimizers in a black-box setting},
  author = {Hansen, Nikolaus and Auger, Anne and Ros, Raymond and Mersmann, Olaf and
            Tu\v{s}ar, Tea and Brockhoff, Dimo},
  journal = {Optimization Methods and Software},
  volume = {36},
  number = {1},
  pages = {114--144},
  year = {2021},
  doi = {10.1080/10556788.2020.1808977}
}
""",
    r"""
@article{holm1979simple,
  title = {A Simple Sequentially Rejective Multiple Test Procedure},
  author = {Holm, Sture},
  journal = {Scandinavian Journal of Statistics},
  volume = {6},
  number = {2},
  pages = {65--70},
  year = {1979},
  url = {https://www.jstor.org/stable/4615733}
}
""",
    r"""
@inproceedings{karras2019stylegan,
  title = {A Style-Based Generator Architecture for Generative Adversarial Networks},
  author = {Karras, Tero and Laine, Samuli and Aila, Timo},
  booktitle = {Proceedings of the {IEEE/CVF} Conference on Computer Vision and Pattern Recognition},
  pages = {4401--4410},
  year = {2019},
  eprint = {1812.04948},
  archiveprefix = {arXiv}
}
""",
    r"""
@inproceedings{karras2020stylegan2,
  title = {Analyzing and Improving the Image Quality of {StyleGAN}},
  author = {Karras, Tero and Laine, Samuli and Aittala, Miika and Hellsten, Janne and Lehtinen, Jaakko and Aila, Timo},
  booktitle = {Proceedings of the {IEEE/CVF} Conference on Computer Vision and Pattern Recognition},
  pages = {8110--8119},
  year = {2020},
  eprint = {1912.04958},
  archiveprefix = {arXiv}
}
""",
    r"""
@inproceedings{kingma2015adam,
  title = {Adam: A Method for Stochastic Optimization},
  author = {Kingma, Diederik P. and Ba, Jimmy},
  booktitle = {3rd International Conference on Learning Representations, {ICLR} 2015},
  year = {2015},
  eprint = {1412.6980},
  archiveprefix = {arXiv}
}
""",
    r"""
@inproceedings{kumar2022gesmr,
  title = {Effective Mutation Rate Adaptation through Group Elite Selection},
  author = {Kumar, Akarsh and Liu, Bo and Miikkulainen, Risto and Stone, Peter},
  booktitle = {Proceedings of the Genetic and Evolutionary Computation Conference},
  series = {GECCO '22},
  pages = {721--729},
  year = {2022},
  publisher = {Association for Computing Machinery},
  doi = {10.1145/3512290.3528706},
  eprint = {2204.04817},
  archiveprefix = {arXiv}
}
""",
    r"""
@article{lange2022evosax,
  title = {evosax: {JAX}-based Evolution Strategies},
  author = {Lange, Robert Tjarko},
  journal = {arXiv preprint arXiv:2212.04180},
  year = {2022},
  eprint = {2212.04180},
  archiveprefix = {arXiv}
}
""",
    r"""
@inproceedings{lange2023lga,
  title = {Discovering Attention-Based Genetic Algorithms via Meta-Black-Box Optimization},
  author = {Lange, Robert and Schaul, Tom and Chen, Yutian and Lu, Chris and Zahavy, Tom and Dalibard, Valentin and
            Flennerhag, Sebastian},
  booktitle = {Proceedings of the Genetic and Evolutionary Computation Conference},
  series = {GECCO '23},
  pages = {929--937},
  year = {2023},
  publisher = {Association for Computing Machinery},
  doi = {10.1145/3583131.3590496},
  eprint = {2304.03995},
  archiveprefix = {arXiv}
}
""",
    r"""
@article{lecun1998gradient,
  title = {Gradient-Based Learning Applied to Document Recognition},
  author = {LeCun, Yann and Bottou, L{\'e}on and Bengio, Yoshua and Haffner, Patrick},
  journal = {Proceedings of the IEEE},
  volume = {86},
  number = {11},
  pages = {2278--2324},
  year = {1998},
  doi = {10.1109/5.726791}
}
""",
    r"""
@article{mouret2015mapelites,
  title = {Illuminating search spaces by mapping elites},
  author = {Mouret, Jean-Baptiste and Clune, Jeff},
  journal = {arXiv preprint arXiv:1504.04909},
  year = {2015},
  eprint = {1504.04909},
  archiveprefix = {arXiv}
}
""",
    r"""
@inproceedings{pineda2021hpob,
  title = {{HPO-B}: A Large-Scale Reproducible Benchmark for Black-Box {HPO} based on {OpenML}},
  author = {Pineda Arango, Sebastian and Jomaa, Hadi S. and Wistuba, Martin and Grabocka, Josif},
  booktitle = {Proceedings of the Neural Information Processing Systems Track on Datasets and Benchmarks},
  volume = {1},
  year = {2021},
  eprint = {2106.06257},
  archiveprefix = {arXiv}
}
""",
    r"""
@inproceedings{radford2021clip,
  title = {Learning Transferable Visual Models From Natural Language Supervision},
  author = {Radford, Alec and Kim, Jong Wook and Hallacy, Chris and Ramesh, Aditya and Goh, Gabriel and
            Agarwal, Sandhini and Sastry, Girish and Askell, Amanda and Mishkin, Pamela and Clark, Jack and
            Krueger, Gretchen and Sutskever, Ilya},
  booktitle = {Proceedings of the 38th International Conference on Machine Learning},
  series = {PMLR},
  volume = {139},
  pages = {8748--8763},
  year = {2021},
  eprint = {2103.00020},
  archiveprefix = {arXiv}
}
""",
    r"""
@article{rapin2018nevergrad,
  title = {Nevergrad: A Gradient-Free Optimization Platform},
  author = {Rapin, J{\'e}r{\'e}my and Teytaud, Olivier},
  journal = {GitHub repository},
  year = {2018},
  url = {https://github.com/facebookresearch/nevergrad}
}
""",
    r"""
@book{rechenberg1973evolutionsstrategie,
  title = {Evolutionsstrategie: Optimierung technischer Systeme nach Prinzipien der biologischen Evolution},
  author = {Rechenberg, Ingo},
  publisher = {Frommann-Holzboog},
  address = {Stuttgart},
  year = {1973},
  isbn = {3-7728-0373-3}
}
""",
    r"""
@inproceedings{ros2008sepcma,
  title = {A Simple Modification in {CMA-ES} Achieving Linear Time and Space Complexity},
  author = {Ros, Raymond and Hansen, Nikolaus},
  booktitle = {Parallel Problem Solving from Nature -- {PPSN} {X}},
  series = {Lecture Notes in Computer Science},
  volume = {5199},
  pages = {296--305},
  year = {2008},
  publisher = {Springer},
  doi = {10.1007/978-3-540-87700-4_30}
}
""",
    r"""
@article{salimans2017es,
  title = {Evolution Strategies as a Scalable Alternative to Reinforcement Learning},
  author = {Salimans, Tim and Ho, Jonathan and Chen, Xi and Sidor, Szymon and Sutskever, Ilya},
  journal = {arXiv preprint arXiv:1703.03864},
  year = {2017},
  eprint = {1703.03864},
  archiveprefix = {arXiv}
}
""",
    r"""
@inproceedings{salmon2011random,
  title = {Parallel random numbers: as easy as 1, 2, 3},
  author = {Salmon, John K. and Moraes, Mark A. and Dror, Ron O. and Shaw, David E.},
  booktitle = {Proceedings of 2011 International Conference for High Performance Computing, Networking, Storage and
               Analysis},
  series = {SC '11},
  pages = {1--12},
  year = {2011},
  publisher = {Association for Computing Machinery},
  doi = {10.1145/2063384.2063405}
}
""",
    r"""
@article{storn1997differential,
  title = {Differential Evolution: A Simple and Efficient Heuristic for Global Optimization over Continuous Spaces},
  author = {Storn, Rainer and Price, Kenneth},
  journal = {Journal of Global Optimization},
  volume = {11},
  number = {4},
  pages = {341--359},
  year = {1997},
  doi = {10.1023/A:1008202821328}
}
""",
    r"""
@article{such2017deep,
  title = {Deep Neuroevolution: Genetic Algorithms Are a Competitive Alternative for Training Deep Neural Networks for
           Reinforcement Learning},
  author = {Such, Felipe Petroski and Madhavan, Vashisht and Conti, Edoardo and Lehman, Joel and Stanley, Kenneth O. and
            Clune, Jeff},
  journal = {arXiv preprint arXiv:1712.06567},
  year = {2017},
  eprint = {1712.06567},
  archiveprefix = {arXiv}
}
""",
    r"""
@inproceedings{tjanaka2023pyribs,
  title = {pyribs: A Bare-Bones {P}ython Library for Quality Diversity Optimization},
  author = {Tjanaka, Bryon and Fontaine, Matthew C. and Lee, David H. and Zhang, Yulun and Balam, Nivedit Reddy and
            Dennler, Nathaniel and Garlanka, Sujay S. and Klapsis, Nikitas Dimitri and Nikolaidis, Stefanos},
  booktitle = {Proceedings of the Genetic and Evolutionary Computation Conference},
  series = {GECCO '23},
  pages = {220--229},
  year = {2023},
  publisher = {Association for Computing Machinery},
  doi = {10.1145/3583131.3590374}
}
""",
    r"""
@article{vassiliades2018cvt,
  title = {Using Centroidal {Voronoi} Tessellations to Scale Up the Multidimensional Archive of Phenotypic Elites
           Algorithm},
  author = {Vassiliades, Vassilis and Chatzilygeroudis, Konstantinos and Mouret, Jean-Baptiste},
  journal = {IEEE Transactions on Evolutionary Computation},
  volume = {22},
  number = {4},
  pages = {623--630},
  year = {2018},
  doi = {10.1109/TEVC.2017.2735550}
}
""",
    r"""
@inproceedings{vassiliades2018iso,
  title = {Discovering the Elite Hypervolume by Leveraging Interspecies Correlation},
  author = {Vassiliades, Vassilis and Mouret, Jean-Baptiste},
  booktitle = {Proceedings of the Genetic and Evolutionary Computation Conference},
  series = {GECCO '18},
  pages = {149--156},
  year = {2018},
  publisher = {Association for Computing Machinery},
  doi = {10.1145/3205455.3205602}
}
""",
    r"""
@article{welch1951comparison,
  title = {On the Comparison of Several Mean Values: An Alternative Approach},
  author = {Welch, B. L.},
  journal = {Biometrika},
  volume = {38},
  number = {3/4},
  pages = {330--336},
  year = {1951},
  doi = {10.1093/biomet/38.3-4.330}
}
""",
    r"""
@article{xiao2017fashion,
  title = {Fashion-{MNIST}: a Novel Image Dataset for Benchmarking Machine Learning Algorithms},
  author = {Xiao, Han and Rasul, Kashif and Vollgraf, Roland},
  journal = {arXiv preprint arXiv:1708.07747},
  year = {2017},
  eprint = {1708.07747},
  archiveprefix = {arXiv}
}
""",
    r"""
@article{young2019minatar,
  title = {{MinAtar}: An Atari-Inspired Testbed for Thorough and Reproducible Reinforcement Learning Experiments},
  author = {Young, Kenny and Tian, Tian},
  journal = {arXiv preprint arXiv:1903.03176},
  year = {2019},
  eprint = {1903.03176},
  archiveprefix = {arXiv}
}
""",
)

BIBLIOGRAPHY: Mapping[str, str] = MappingProxyType(
    {entry[entry.index("{") + 1 : entry.index(",")]: entry.strip() for entry in _ENTRIES}
)
"""Every BibTeX entry by its key."""


def bibtex(keys: Iterable[str]) -> str:
    """Returns the entries of some keys, in their order and each once, separated by blank lines.

    Args:
        keys: BibTeX keys, such as ``task.spec.citations``.

    Raises:
        UnknownNameError: If there is no entry of a key (with the nearest keys).
        TypeError: If ``keys`` is one string rather than several.
    """
    if isinstance(keys, str):
        raise TypeError(f"keys should be several BibTeX keys, such as [{keys!r}], but it is one string, {keys!r}")
    return "\n\n".join(_entry(key) for key in dict.fromkeys(keys))


def _entry(key: str) -> str:
    if key in BIBLIOGRAPHY:
        return BIBLIOGRAPHY[key]
    close = difflib.get_close_matches(key, BIBLIOGRAPHY, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(close)}?" if close else f"the keys are {', '.join(BIBLIOGRAPHY)}"
    raise UnknownNameError(f"no citation {key!r}; {hint}")
